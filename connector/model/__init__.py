"""The nouns: frozen values, standard library only."""

from connector.model.account import Account
from connector.model.consent import ConsentState, Entry, Purpose, Source, Standing
from connector.model.event import (
    Event,
    Identity,
    Ignored,
    Item,
    Notice,
    Preference,
    Receipt,
    Refusal,
    Rekey,
    Reply,
    Status,
    TemplateChange,
)
from connector.model.ids import (
    AccountId,
    ContactId,
    EventId,
    MessageId,
    RemoteId,
    RequestId,
    first_id,
    moment_of,
    new_id,
)
from connector.model.message import OPEN, RANK, STATE_OF, Message, Sent, State
from connector.model.moment import now, parse_duration, parse_time
from connector.model.payload import Json, Payload, dig, parse_json, parse_object, text_at
from connector.model.person import Contact, Key, KeyKind, Person, Sighting
from connector.model.phone import spellings
from connector.model.role import GRANTS, Permission, Role
from connector.model.secret import Secret
from connector.model.template import Category, Part, Slot, SlotKind, Template
from connector.model.verdict import Decision, Reason, Send, Skip, Step
from connector.model.wire import Request, Response, Verified

__all__ = [
    "GRANTS", "OPEN", "RANK", "STATE_OF", "Account", "AccountId", "Category", "ConsentState", "Contact", "ContactId",
    "Decision", "Entry", "Event", "EventId", "Identity", "Ignored", "Item", "Json", "Key", "KeyKind",
    "Message", "MessageId", "Notice", "Part", "Payload", "Permission", "Person", "Preference", "Purpose", "Reason",
    "Receipt", "Refusal", "Rekey", "RemoteId", "Reply", "Request", "RequestId", "Response", "Role", "Secret", "Send",
    "Sent",
    "Sighting", "Skip", "Slot", "SlotKind", "Source", "Standing", "State", "Status", "Step", "Template",
    "TemplateChange", "Verified", "dig", "first_id", "moment_of", "new_id", "now", "parse_duration", "parse_json",
    "parse_object", "parse_time", "spellings", "text_at",
]  # fmt: skip
