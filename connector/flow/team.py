"""The team: who may sign in, what they are, how they are asked to join, and how they get in again.

Nothing here enters the audit log: who did it is known to the callers alone. Words in links are kept as digests.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import timedelta
from hashlib import sha256

from connector.errors import ConfigurationError
from connector.model import Role, new_id, now
from connector.security import passwords
from connector.store import Store, Transaction, invitations, marks, users
from connector.store.invitations import InvitationRow
from connector.store.users import UserRow

INVITED_FOR = timedelta(days=7)
LINK_LASTS = timedelta(minutes=15)
LONGEST_EMAIL, LONGEST_NAME = 254, 100
POLICY = "two_factor_required"
"""Name of the mark that says who must have a second factor."""
POLICIES = {"nobody": (), "admins": (Role.OWNER, Role.ADMIN), "all": tuple(Role)}
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,253}")


class TeamError(ConfigurationError):
    """What was asked for cannot be; says why and what to do. ``field`` names what to correct, where it is one."""

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.field = field


def email(text: str) -> str:
    """Return an e-mail as it is kept. We send none: it is what somebody signs in with. Raises TeamError."""
    clean = unicodedata.normalize("NFC", text.strip()).lower()
    if len(clean) > LONGEST_EMAIL or not _EMAIL.fullmatch(clean):
        raise TeamError("This is not an e-mail address.", "email")
    return clean


def name(text: str) -> str:
    """Return a name as it is kept. Raises TeamError."""
    clean = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if not clean or len(clean) > LONGEST_NAME:
        raise TeamError(f"A name has 1 to {LONGEST_NAME} characters.", "name")
    return clean


def add(store: Store, *, email_: str, name_: str, role: Role, password: str, first: bool = False) -> UserRow:
    """Add somebody who signs in with a password; ``first`` only where there is nobody yet. Raises TeamError."""
    row = _new_user(email_, name_, role, password)
    with store.write() as tx:
        if first and users.is_any(tx):
            raise TeamError("There is an owner already: sign in.")
        _add(tx, row)
    return row


def find(store: Store, email_: str) -> UserRow:
    """Return the user with this e-mail. Raises TeamError."""
    with store.read() as tx:
        row = users.by_email(tx, email(email_))
    if row is None:
        raise TeamError("Nobody has this e-mail: `connector users list` shows who there is.", "email")
    return row


def set_role(store: Store, user_id: str, role: Role) -> UserRow:
    """Make somebody something else; the last owner stays one. Raises TeamError."""
    with store.write() as tx:
        row = _hold(tx, user_id)
        if role is not Role.OWNER:
            _require_another_owner(tx, row)
        users.change(tx, row.id, {"role": role})
    return row


def set_active(store: Store, user_id: str, *, active: bool) -> UserRow:
    """Let somebody in again, or no longer: then their sessions are over. Raises TeamError."""
    with store.write() as tx:
        row = _hold(tx, user_id)
        if not active:
            _require_another_owner(tx, row)
            users.forget_doors(tx, row.id)
        users.change(tx, row.id, {"active": active})
    return row


def rename(store: Store, user_id: str, name_: str) -> None:
    """Call somebody by another name. Raises TeamError."""
    clean = name(name_)
    with store.write() as tx:
        users.change(tx, user_id, {"name": clean})


def set_password(store: Store, user: UserRow, password: str, *, keep: str = "") -> int:
    """Give somebody a new password and end their sessions, except ``keep``; return how many. Raises TeamError."""
    hashed = _hash(password, user.email, user.name)
    with store.write() as tx:
        users.change(tx, user.id, {"password": hashed, "password_at": now()})
        return users.forget_doors(tx, user.id, but=keep)


def reset_second_factor(store: Store, user_id: str) -> UserRow:
    """Take authenticator, recovery codes and passkeys from somebody who lost them, and end their sessions."""
    with store.write() as tx:
        row = _hold(tx, user_id)
        users.change(tx, row.id, {"totp": None, "totp_counter": None, "recovery": ""})
        users.remove_passkeys(tx, row.id)
        users.forget_doors(tx, row.id)
    return row


def invite(store: Store, email_: str, role: Role, by: str) -> tuple[InvitationRow, str]:
    """Ask somebody to join; return the word of the link too, which is kept nowhere. Raises TeamError."""
    clean, at = email(email_), now()
    word, digest = fresh_word()
    row = InvitationRow(digest=digest, email=clean, role=role, by=by, created_at=at, expires_at=at + INVITED_FOR)
    with store.write() as tx:
        if users.by_email(tx, clean) is not None:
            raise TeamError("Somebody with this e-mail is in the team already.", "email")
        invitations.put(tx, row)
    return row, word


def invited(store: Store, word: str) -> InvitationRow | None:
    """Return the invitation of a link that is still good, or None."""
    with store.read() as tx:
        return invitations.find(tx, digest_of(word), now())


def accept(store: Store, word: str, *, name_: str, password: str) -> UserRow | None:
    """Let somebody in who was asked to join; None where the link is no longer good. Raises TeamError."""
    told = invited(store, word)
    if told is None:
        return None
    row = _new_user(told.email, name_, told.role, password)
    with store.write() as tx:
        if not invitations.remove(tx, told.id):
            return None
        _add(tx, row)
    return row


def revoke(store: Store, id_: str) -> bool:
    """Take an invitation back; False where there is none."""
    with store.write() as tx:
        return invitations.remove(tx, id_)


def make_link(store: Store, user_id: str) -> str:
    """Return the word of a link that signs somebody in, once, within 15 minutes. Raises TeamError."""
    word, digest = fresh_word()
    with store.write() as tx:
        if not _hold(tx, user_id).active:
            raise TeamError("This user is disabled: enable them first.")
        users.put_link(tx, digest, user_id, now() + LINK_LASTS)
    return word


def linked(store: Store, word: str) -> UserRow | None:
    """Return whom a sign-in link lets in, or None where it is no longer good."""
    with store.read() as tx:
        return users.find_link(tx, digest_of(word), now())


def spend_link(store: Store, word: str) -> UserRow | None:
    """Return whom a sign-in link lets in, and let it be good no longer."""
    with store.write() as tx:
        found = users.find_link(tx, digest_of(word), now())
        return found if found is not None and users.spend_link(tx, digest_of(word)) else None


def policy(tx: Transaction) -> str:
    """Return who must have a second factor: nobody, admins or all."""
    word = marks.get(tx, POLICY) or "nobody"
    return word if word in POLICIES else "all"


def set_policy(store: Store, word: str) -> None:
    """Say who must have a second factor. Raises TeamError."""
    if word not in POLICIES:
        raise TeamError(f"Take one of {', '.join(POLICIES)}.")
    with store.write() as tx:
        marks.put(tx, POLICY, word)


def fresh_word() -> tuple[str, str]:
    """Return a word for a link or a cookie that nobody guesses, and its digest."""
    word = secrets.token_urlsafe(32)
    return word, digest_of(word)


def digest_of(word: str) -> str:
    """Return what is kept of a word. It is long and random, so that a plain digest does."""
    return sha256(word[:200].encode("utf-8", "replace")).hexdigest()


def _new_user(email_: str, name_: str, role: Role, password: str) -> UserRow:
    clean, called, at = email(email_), name(name_), now()
    hashed = _hash(password, clean, called)
    return UserRow(
        email=clean, name=called, role=role, password=hashed, handle=new_id(), created_at=at, password_at=at
    )  # fmt: skip


def _hash(password: str, *known: str) -> str:
    words = passwords.fault(password, *known)
    if words:
        raise TeamError(words, "password")
    return passwords.hash_(password)


def _add(tx: Transaction, row: UserRow) -> None:
    if not users.add(tx, row):
        raise TeamError("Somebody with this e-mail is in the team already.", "email")
    invitations.remove_of(tx, row.email)


def _hold(tx: Transaction, user_id: str) -> UserRow:
    row = users.get(tx, user_id, lock=True)
    if row is None:
        raise TeamError("There is no such user.")
    return row


def _require_another_owner(tx: Transaction, row: UserRow) -> None:
    if row.role is Role.OWNER and row.active and not set(users.lock_owners(tx)) - {row.id}:
        raise TeamError("The last owner stays: make somebody else an owner first.")
