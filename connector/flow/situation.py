"""What one event is planned with: the same for an event that comes in, one that came, and one that is made up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from connector.flow.catalogue import Catalogue
from connector.mapping import Mapping as Notification
from connector.mapping import Situation
from connector.model import Event, Payload
from connector.store.mappings import TemplateUse


def situate(
    catalogue: Catalogue,
    mapping: Notification,
    event: Event,
    *,
    account_name: str,
    account: Mapping[str, Any],
    remembered: Mapping[str, Payload],
    seen: Collection[str],
    at: datetime,
    uses: Collection[TemplateUse] = (),
) -> Situation:
    """Return all that a plan depends on: who sends, which templates there are, which policy is in force.

    ``account`` are the public settings of whose event it is, ``remembered`` earlier payloads by root, ``seen``
    the types of events known about its subject, ``uses`` the shapes of templates when the mapping was published.
    """
    channel = catalogue.channel(mapping)
    return Situation(
        event=event,
        account_name=account_name,
        account=account,
        remembered=remembered,
        seen=seen,
        now=at,
        channel=channel,
        template=catalogue.finder(channel),
        fingerprints={(use.name, use.language): use.fingerprint for use in uses if use.account_id == channel},
        policy=catalogue.policy(),
    )
