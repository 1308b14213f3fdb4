"""Letting people in: the tries that are counted, the password, and the session that begins.

Whatever is wrong is answered by the same words after the same work, so that nobody learns who is in the team.

Tries are counted in three places, so that strangers who try and try do not shut out the one whose account it is:
those from a browser that has signed in to this account before by that browser; those from an address where the
account is signed in by that address; everybody else's by the account. Who got in somewhere forgives that place alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.flow import audit, team
from connector.model import now
from connector.security import passwords
from connector.security.addresses import home
from connector.store import Store, sessions, tries, users
from connector.store.sessions import SessionRow
from connector.store.users import UserRow

IDLE, LASTS = timedelta(days=14), timedelta(days=30)
"""A session ends when nobody used it for so long, and after so long in any case."""
SEEN_EVERY = timedelta(minutes=5)
FREE = {"account": 5, "known": 5, "inside": 5, "second": 5, "address": 30, "log": 1000}
"""Tries that cost nothing, within a day."""
LONGEST = {"address": timedelta(minutes=5), "log": timedelta(minutes=1)}
"""So long a door is shut at most; those not named here as long as :data:`connector.store.tries.LONGEST`."""
_STRANGE = ("account", "address")
"""What strangers may invent: as many kinds of it as they like share 65,536 rows."""
NO = "That did not let you in. Check both, or wait a few minutes if you have tried often."
NO_CODE = "That was not it. Take the code that shows now, or wait a few minutes if you have tried often."
UNKNOWN = "unknown"
_PLACES = (
    ("Windows", "Windows"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guest:
    """Who knocks: from where, with what."""

    address: str = field(repr=False)
    agent: str = ""
    browser: str = ""
    """Which browser it is, where it has proved that somebody has signed in by it; else empty."""
    users: frozenset[str] = frozenset()
    """The ids of those who have."""


def check_password(store: Store, email: str, password: str, guest: Guest) -> UserRow | None:
    """Return who signs in with these, or None: wrong, unknown, disabled, or tried too often; all of it alike."""
    text = email[: team.LONGEST_EMAIL].strip().lower()
    with store.read() as tx:
        row = users.by_email(tx, text)
        lately = sessions.of(tx, row.id if row else "")
    keys = _doors(text, row, lately, guest)
    shut = _charge(store, keys)
    right = passwords.verify(password, row.password if row else None)
    if row is not None and row.active and right and not shut:
        _forgive(store, keys)
        if passwords.is_old(row.password):
            with store.write() as tx:
                users.change(tx, row.id, {"password": passwords.hash_(password)}, if_={"password": row.password})
        return row
    if not shut:  # what is shut out is not entered: nobody fills the log
        refused(store, row.id if row else "", guest, "password")
    return None


def confirm_password(store: Store, user: UserRow, session_id: str, password: str) -> bool:
    """Tell whether who is signed in still knows their password; tries are counted by the session."""
    keys = (_key("inside", session_id),)
    shut = _charge(store, keys)
    if not passwords.verify(password, user.password) or shut:
        return False
    _forgive(store, keys)
    return True


def may_try_second(store: Store, user_id: str, guest: Guest) -> bool:
    """Count a try at the second factor, and tell whether it may be looked at."""
    return not _charge(store, (_second(user_id, guest),))


def second_passed(store: Store, user_id: str, guest: Guest) -> None:
    """Forget the tries at the second factor."""
    _forgive(store, (_second(user_id, guest),))


def refused(store: Store, user_id: str, guest: Guest, how: str) -> None:
    """Enter that somebody was not let in; of unknown users nothing but that, and not for ever more."""
    if not user_id and _charge(store, (_key("log", "unknown"),)):
        return
    audit.record(store, UNKNOWN, "somebody", "user.sign_in_failed", user_id, f"by {how}", guest.address)


def begin(store: Store, user: UserRow, way: str, guest: Guest) -> tuple[SessionRow, str]:
    """Begin a session; return the word for the browser's cookie too, which is kept nowhere."""
    at = now()
    word, digest = team.fresh_word()
    row = SessionRow(
        digest=digest, user_id=user.id, way=way, browser=name_browser(guest.agent), address=guest.address,
        created_at=at, seen_at=at,
    )  # fmt: skip
    with store.write() as tx:
        sessions.sweep(tx, made_before=at - LASTS, seen_before=at - IDLE)
        sessions.add(tx, row)
        users.change(tx, user.id, {"signed_in_at": at})
    audit.record(store, user.id, user.name, "user.signed_in", user.id, f"by {way}", guest.address)
    return row, word


def who(store: Store, word: str, guest: Guest) -> tuple[UserRow, SessionRow] | None:
    """Return whose session this is, and note that it is used; None where it is over or its user is disabled."""
    at = now()
    with store.read() as tx:
        session = sessions.find(tx, team.digest_of(word))
        user = users.get(tx, session.user_id) if session else None
    if session is None or user is None or not user.active or is_over(session, at):
        return None
    if at - session.seen_at > SEEN_EVERY:
        with store.write() as tx:
            sessions.touch(tx, session.id, at, guest.address)
    return user, session


def is_over(session: SessionRow, at: datetime) -> bool:
    """Tell whether a session has ended by itself."""
    return at - session.created_at > LASTS or at - session.seen_at > IDLE


def name_browser(agent: str) -> str:
    """Say in words what a User-Agent means: ``Firefox on Linux``."""
    agent = agent[:500]
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    place = next((name for sign, name in _PLACES if sign in agent), "")
    return " on ".join(filter(None, (browser, place))) or "an unknown browser"


def may_knock(store: Store, guest: Guest) -> bool:
    """Count a try with a passkey, and tell whether it may be looked at."""
    return not _charge(store, (_knock(guest),))


def knocked(store: Store, guest: Guest) -> None:
    """Forget the try of somebody whose passkey let them in."""
    _forgive(store, (_knock(guest),))


def _doors(text: str, row: UserRow | None, lately: Sequence[SessionRow], guest: Guest) -> tuple[str, ...]:
    """Return where a try of a password is counted: by whom it is made, then by whom it is meant."""
    place, at = home(guest.address), now()
    if row is not None and row.id in guest.users:
        return (_key("known", f"{row.id} {guest.browser}"),)
    if row is not None and any(home(each.address) == place and not is_over(each, at) for each in lately):
        return _key("address", place), _key("known", f"{row.id} {place}")
    return _key("address", place), _key("account", text)


def _second(user_id: str, guest: Guest) -> str:
    return _key("second", f"{user_id} {guest.browser if user_id in guest.users else ''}")


def _knock(guest: Guest) -> str:
    return _key("known", guest.browser) if guest.browser else _key("address", f"passkey {home(guest.address)}")


def _charge(store: Store, keys: Sequence[str]) -> bool:
    """Count a try under each key, in turn; tell whether one of the doors is shut. Behind a shut one nothing counts."""
    at = now()
    with store.write() as tx:
        tries.sweep(tx, at)
        for key in keys:
            kind = key.partition(":")[0]
            if tries.charge(tx, key, at, free=FREE[kind], longest=LONGEST.get(kind, tries.LONGEST)) is not None:
                return True
    return False


def _forgive(store: Store, keys: Sequence[str]) -> None:
    """Forget the tries of who has got in; of their address only the last one, others try from there too."""
    with store.write() as tx:
        for key in keys:
            (tries.refund if key.startswith("address:") else tries.forgive)(tx, key)


def _key(kind: str, text: str) -> str:
    return f"{kind}:{team.digest_of(text)[: 4 if kind in _STRANGE else 32]}"
