"""Passkeys: what a browser is asked, and what of its answer is believed.

The library's own part for them wants another package and pages of its own, so that we speak with ``webauthn``
itself. A passkey is asked to verify its user (by finger, face or PIN), and so stands for both factors. What
comes back was made by strangers: whatever is wrong with it, it is refused alike.
"""

from __future__ import annotations

import json
import secrets
import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import webauthn
from flask import request, session
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from connector.model import now
from connector.store import users
from connector.store.users import PasskeyRow, UserRow
from connector.web.console.frame import store, tools

MOST = 20
"""Passkeys of one user."""
LONGEST_ANSWER = 16 * 1024
LASTS = 5 * 60
"""Seconds that a browser may take."""
_ASKED = "passkey"
"""Name in the session of what the browser was asked."""
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "internal", "hybrid", "cable", "smart-card"})


def are_possible() -> bool:
    """Tell whether browsers know passkeys here: at a name, by https or on this machine, not at a bare number."""
    try:
        ip_address(_host())
    except ValueError:
        return _origin().startswith("https:") or _host() == "localhost"
    return False


def ask_new(user: UserRow, name: str) -> dict[str, Any]:
    """Return what the browser is asked, to make a passkey; the session remembers it."""
    with store().read() as tx:
        known = users.passkeys(tx, user.id)
    options = webauthn.generate_registration_options(
        rp_id=_host(),
        rp_name="Connector",
        user_id=user.handle.encode(),
        user_name=user.email,
        user_display_name=user.name,
        challenge=_challenge("new", name),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.id)) for each in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    found: dict[str, Any] = options_to_json_dict(options)
    return found


def keep(user: UserRow, answer: str) -> bool:
    """Keep the passkey that a browser has made; False where it was not asked so, or it proves nothing."""
    asked = _asked("new")
    if asked is None or len(answer) > LONGEST_ANSWER:
        return False
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=base64url_to_bytes(asked["challenge"]),
            expected_rp_id=_host(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
        told = json.loads(answer).get("response", {}).get("transports") or []
        transports = " ".join(sorted({each for each in told if isinstance(each, str)} & _TRANSPORTS))
    except Exception:  # noqa: BLE001 - a library reads what strangers wrote
        return False
    row = PasskeyRow(
        id=bytes_to_base64url(made.credential_id), user_id=user.id, name=asked["name"], transports=transports,
        public_key=made.credential_public_key, sign_count=made.sign_count, created_at=now(),
    )  # fmt: skip
    with store().write() as tx:
        return len(users.passkeys(tx, user.id)) < MOST and users.add_passkey(tx, row)


def ask() -> dict[str, Any]:
    """Return what the browser is asked, to sign in; it is the same for everybody."""
    options = webauthn.generate_authentication_options(
        rp_id=_host(), challenge=_challenge("sign in"), user_verification=UserVerificationRequirement.REQUIRED
    )
    found: dict[str, Any] = options_to_json_dict(options)
    return found


def check(answer: str) -> UserRow | None:
    """Return whose passkey has answered, or None."""
    asked = _asked("sign in")
    if asked is None or len(answer) > LONGEST_ANSWER:
        return None
    try:
        id_ = str(json.loads(answer)["id"])
        with store().read() as tx:
            known = users.find_passkey(tx, id_)
            user = users.get(tx, known.user_id) if known else None
        if known is None or user is None or not user.active:
            return None
        shown = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=base64url_to_bytes(asked["challenge"]),
            expected_rp_id=_host(),
            expected_origin=_origin(),
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - a library reads what strangers wrote
        return None
    with store().write() as tx:
        fresh = users.use_passkey(tx, known.id, before=known.sign_count, count=shown.new_sign_count, at=now())
    return user if fresh else None


def _challenge(what: str, name: str = "") -> bytes:
    word = secrets.token_bytes(32)
    session[_ASKED] = {"what": what, "challenge": bytes_to_base64url(word), "at": int(time.time()), "name": name}
    return word


def _asked(what: str) -> dict[str, Any] | None:
    """Return what the browser was asked; each question is good for one answer."""
    told = session.pop(_ASKED, None)
    if not isinstance(told, dict) or told.get("what") != what or not 0 <= time.time() - told["at"] < LASTS:
        return None
    return told


def _host() -> str:
    return urlsplit(f"//{request.host}").hostname or "localhost"


def _origin() -> str:
    """Return the page's origin as the browser knows it: behind a proxy we are asked without https."""
    public = urlsplit(tools().settings.public_url)
    scheme = public.scheme if request.host == public.netloc else request.scheme
    return f"{scheme}://{request.host}"
