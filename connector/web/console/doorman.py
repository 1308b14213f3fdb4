"""Who stands at the door: Flask-Security over our own tables, and the session that tells who is signed in.

Of the library we take users, sessions, the second factor's secrets and recovery codes. Its pages stay away
(no blueprint of it is registered): ours are in :mod:`connector.web.console.door`. What identifies a user in
the browser's cookie (its ``fs_uniquifier``) is the secret word of one session, not something of the user: a
session without a row in the database is nobody's.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user
from flask_security import RoleMixin, Security, UserDatastore, UserMixin, login_user, logout_user
from flask_security.totp import Totp

from connector.flow import entry, team
from connector.flow.entry import Guest
from connector.flow.keepsake import SECOND_FACTORS, keepsake
from connector.model import GRANTS, Role, now
from connector.store import Store, Transaction, users
from connector.store.sessions import SessionRow
from connector.store.users import UserRow
from connector.web.console import browser
from connector.web.console.frame import Actor, store
from connector.web.visitor import address
from connector.wiring import Wiring

METHOD = "authenticator"


@dataclass(eq=False)
class OneRole(RoleMixin):
    """A role, as the library sees it."""

    name: str
    permissions: list[str]


@dataclass(eq=False)
class User(UserMixin):
    """A user, as the library sees it: what may change stands beside the row that it was read from."""

    row: UserRow
    session: SessionRow | None = None
    fs_uniquifier: str = field(default="", repr=False)
    tf_totp_secret: str | None = field(default=None, repr=False)
    tf_phone_number: None = None
    mf_recovery_codes: list[str] | None = field(default=None, repr=False)
    totp_counter: int | None = None
    tf_primary_method: str | None = None
    roles: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tf_totp_secret, self.totp_counter = self.row.totp, self.row.totp_counter
        self.tf_primary_method = METHOD if self.row.totp else None
        self.mf_recovery_codes = self.row.recovery.split()
        self.roles = [OneRole(self.row.role.value, [each.value for each in GRANTS[self.row.role]])]

    id = property(lambda self: self.row.id)
    email = property(lambda self: self.row.email)
    name = property(lambda self: self.row.name)
    role = property(lambda self: self.row.role)
    password = property(lambda self: self.row.password)
    active = property(lambda self: self.row.active)
    fs_webauthn_user_handle = property(lambda self: self.row.handle)

    def changes(self) -> dict[str, Any]:
        """Return the columns that are no longer as they were read."""
        wanted = {
            "totp": self.tf_totp_secret,
            "totp_counter": self.totp_counter if self.tf_totp_secret else None,
            "recovery": " ".join(self.mf_recovery_codes or ()),
        }
        return {name: value for name, value in wanted.items() if value != getattr(self.row, name)}


class Meanwhile(Exception):  # noqa: N818 - what happened
    """Somebody else changed the same of a user at the same time."""


class Users(UserDatastore):
    """What the library reads and writes users by."""

    def __init__(self, store: Store) -> None:
        super().__init__(User, OneRole)
        self.store = store

    def find_user(self, case_insensitive: bool = False, **given: Any) -> User | None:
        """Return the user of a session's word, of an id, or of an e-mail."""
        if word := given.get("fs_uniquifier"):
            found = entry.who(self.store, word, guest())
            return User(found[0], found[1], fs_uniquifier=word) if found else None
        with self.store.read() as tx:
            if "id" in given:
                row = users.get(tx, str(given["id"]))
            else:
                row = users.by_email(tx, str(given.get("email", "")).lower())
        return User(row) if row else None

    def put(self, model: User) -> User:
        """Write what changed of a user, if nobody changed the same meanwhile. Raises Meanwhile."""
        if changed := model.changes():
            before = {name: getattr(model.row, name) for name in changed}
            with self.store.write() as tx:
                if not users.change(tx, model.row.id, changed, if_=before):
                    raise Meanwhile
                row = users.get(tx, model.row.id)
            model.row = row or model.row
        return model

    def commit(self) -> None:
        """Do nothing: what is put is kept."""

    def find_role(self, role: str) -> OneRole | None:
        """Return a role of ours."""
        return OneRole(role, [each.value for each in GRANTS[Role(role)]]) if role in tuple(Role) else None


class OnceTotp(Totp):
    """Codes of an authenticator; none is taken twice."""

    def get_last_counter(self, user: Any) -> int | None:
        """Return which code was taken last."""
        counter: int | None = user.totp_counter
        return counter

    def set_last_counter(self, user: Any, tmatch: Any) -> None:
        """Remember which code was taken. Raises Meanwhile."""
        user.totp_counter = tmatch.counter
        if user.row.totp:  # before it is set up there is nothing to remember it by
            current_app.extensions["security"].datastore.put(user)


class Cookies(SecureCookieSessionInterface):
    """The session's cookie: for https alone wherever the browser came by https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Tell whether the browser may send it by https alone; a browser on this very machine may come without."""
        public = urlsplit(current_app.extensions["connector"].settings.public_url)
        return request.is_secure or (public.scheme == "https" and request.host == public.netloc)


def install(app: Flask, tools: Wiring) -> None:
    """Put the library into an application, without its pages, its tokens and its looks at each request."""
    key = keepsake(tools.store, tools.vault, SECOND_FACTORS)
    app.config.update(
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106 - a name
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_DEPRECATED_PASSWORD_SCHEMES=[],
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=[METHOD],
        SECURITY_TOTP_SECRETS={"1": key.hex()},
        SECURITY_TOTP_ISSUER="Connector",
        SECURITY_MULTI_FACTOR_RECOVERY_CODES=True,
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_N=10,
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS=[urlsafe_b64encode(sha256(b"recovery" + key).digest())],
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
        PERMANENT_SESSION_LIFETIME=entry.LASTS,
    )
    security = Security(app, Users(tools.store), register_blueprint=False, totp_cls=OnceTotp)
    # Tokens in a header or in the address would be a second way in: none is ever given out.
    security.login_manager._request_callback = None  # noqa: SLF001 - it has no other switch
    # Flask-Principal would look up the user on every request, health and assets too; we look where a page does.
    app.before_request_funcs[None] = list(_others(app.before_request_funcs.get(None, ()), security.principal))
    app.session_interface = Cookies()


def signed_in() -> Actor | None:
    """Tell who is signed in on this request."""
    user = this_user()
    return Actor(user.row.id, user.row.name, user.row.role) if user else None


def this_user() -> User | None:
    """Return who is signed in, as the library knows them, or None."""
    user = current_user._get_current_object()  # noqa: SLF001 - the way to what a proxy stands for
    return user if isinstance(user, User) and user.session is not None else None


def let_in(row: UserRow, way: str) -> None:
    """Begin a session for somebody who has shown all that is asked of them. Whatever the browser held is gone."""
    kept, word = entry.begin(store(), row, way, guest())
    session.clear()  # a session that others may know ends here
    session.permanent = True
    login_user(User(row, kept, fs_uniquifier=word), remember=False)
    browser.remember(row.id)


def let_out() -> None:
    """Forget who is signed in, in this browser."""
    logout_user()
    session.clear()


def guest() -> Guest:
    """Return who is at the other end, as far as that can be seen."""
    name, known = browser.known()
    return Guest(address(), request.headers.get("User-Agent", ""), name, frozenset(known))


def security() -> Security:
    """Return the library of this application."""
    found: Security = current_app.extensions["security"]
    return found


def must_set_up(user: User) -> bool:
    """Tell whether a second factor is asked of somebody who has none."""
    with store().read() as tx:
        return user.role in team.POLICIES[team.policy(tx)] and not has_second(user.row, tx)


def has_second(row: UserRow, tx: Transaction) -> bool:
    """Tell whether somebody has an authenticator or a passkey."""
    return row.totp is not None or bool(users.passkeys(tx, row.id))


def is_fresh_link(session_: SessionRow | None) -> bool:
    """Tell whether this session began by a link just now: then a new password needs no old one."""
    return session_ is not None and session_.way == "link" and now() - session_.created_at < team.LINK_LASTS


def _others(functions: Iterable[Any], principal: object) -> Iterable[Any]:
    return (each for each in functions if getattr(each, "__self__", None) is not principal)
