"""Who may do what in the console and through the API."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in the console; each may do all that the next one may."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


class Permission(StrEnum):
    """What may be done; also the scopes of an API key."""

    LOOK = "look"
    """See every page, with personal data masked."""
    SEE_PEOPLE = "see_people"
    """See names, numbers and contents unmasked; each look is entered in the audit log."""
    EDIT_MAPPINGS = "edit_mappings"
    """Drafts, backtests, shadow runs, test sends."""
    PUBLISH = "publish"
    """Put a mapping in force, roll back, take out of force."""
    REPLAY = "replay"
    """Walk stored requests again."""
    SEND = "send"
    """Push events and send messages through the API."""
    EDIT_PEOPLE = "edit_people"
    """Consent by hand, labels, blocks, merges, export and erasure."""
    EDIT_ACCOUNTS = "edit_accounts"
    """Connect accounts, change and rotate their secrets, templates, outgoing webhooks; enter and publish rates."""
    EDIT_TEAM = "edit_team"
    """Invite people, change their roles, API keys, security policy; read the audit log."""


_VIEWER = frozenset({Permission.LOOK})
_EDITOR = _VIEWER | {Permission.SEE_PEOPLE, Permission.EDIT_MAPPINGS, Permission.PUBLISH}
_ADMIN = _EDITOR | {Permission.REPLAY, Permission.SEND, Permission.EDIT_PEOPLE, Permission.EDIT_ACCOUNTS}
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: _ADMIN | {Permission.EDIT_TEAM},
    Role.ADMIN: _ADMIN,
    Role.EDITOR: _EDITOR,
    Role.VIEWER: _VIEWER,
}
"""What each role may do."""
