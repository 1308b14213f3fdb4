"""What the org's objects are: their fields with types, and how ``describe`` tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

STATUSES = ("Unknown", "Opted in", "Opted out")
LABELS = ("ask-a-human", "not-on-whatsapp", "replied", "vip", "wholesale")
LABELS_FIELD = "WhatsApp_Labels__c"
_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "datetime": "xsd:dateTime", "date": "xsd:date",
    "double": "xsd:double", "currency": "xsd:double", "int": "xsd:int",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field. ``type``: Salesforce's word, such as ``multipicklist``."""

    name: str
    type: str = "string"
    length: int = 255
    choices: tuple[str, ...] = ()
    restricted: bool = False
    writable: bool = True
    unique: bool = False
    to: str = ""
    """The object a reference points to."""

    @property
    def relationship(self) -> str:
        """Return the word by which a query follows a reference: ``Contact`` for ContactId."""
        return self.name.removesuffix("Id") if self.to and self.name.endswith("Id") else ""

    def described(self) -> Json:
        """Return it as ``describe`` does."""
        return {
            "name": self.name, "label": self.name.removesuffix("__c").replace("_", " "), "type": self.type,
            "length": self.length if self.type in ("string", "phone", "email", "textarea", "url") else 0,
            "soapType": _SOAP.get(self.type, "xsd:string"), "updateable": self.writable, "createable": self.writable,
            "nillable": self.type != "boolean" and self.name not in _REQUIRED, "custom": self.name.endswith("__c"),
            "calculated": False, "unique": self.unique, "externalId": self.unique, "idLookup": self.unique,
            "filterable": self.type != "textarea", "sortable": self.type not in ("textarea", "multipicklist"),
            "nameField": self.name == "Name", "restrictedPicklist": self.restricted,
            "relationshipName": self.relationship or None, "referenceTo": [self.to] if self.to else [],
            "picklistValues": [
                {"value": one, "label": one, "active": True, "defaultValue": False} for one in self.choices
            ],
            "scale": 0, "precision": 18 if self.type in ("double", "currency") else 0, "defaultValue": None,
            "deprecatedAndHidden": False, "inlineHelpText": None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSpec:
    """One object: its name, the first three characters of its ids, its fields by name."""

    name: str
    prefix: str
    fields: Mapping[str, FieldSpec] = field(repr=False)

    def find(self, name: str) -> FieldSpec | None:
        """Return a field by its name, in any case of letters, as a query may write it."""
        return self.fields.get(name) or next(
            (one for key, one in self.fields.items() if key.lower() == name.lower()), None
        )

    def reference(self, relationship: str) -> FieldSpec | None:
        """Return the field that a query follows by this word."""
        found = (one for one in self.fields.values() if one.relationship)
        return next((one for one in found if one.relationship.lower() == relationship.lower()), None)

    def required(self) -> tuple[str, ...]:
        """Return the fields without which nothing is created."""
        return tuple(name for name in self.fields if name in _REQUIRED)

    def restricting(self, *names: str) -> ObjectSpec:
        """Return it with these picklists restricted to their values."""
        fields = {name: replace(one, restricted=one.restricted or name in names) for name, one in self.fields.items()}
        return replace(self, fields=fields)

    def described(self, version: str) -> Json:
        """Return it as ``/sobjects/<name>/describe`` does."""
        base = f"/services/data/{version}/sobjects/{self.name}"
        return {
            "name": self.name, "label": self.name.removesuffix("__c"), "keyPrefix": self.prefix,
            "custom": self.name.endswith("__c"), "createable": True, "updateable": True, "queryable": True,
            "deletable": True, "triggerable": True, "replicateable": True, "retrieveable": True,
            "fields": [one.described() for one in self.fields.values()], "childRelationships": [],
            "recordTypeInfos": [],
            "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
        }  # fmt: skip


_REQUIRED = frozenset(("LastName", "Company", "StageName", "TopicId", "EntityId"))
_SYSTEM = (
    FieldSpec(name="Id", type="id", length=18, writable=False),
    FieldSpec(name="IsDeleted", type="boolean", writable=False),
    FieldSpec(name="CreatedDate", type="datetime", writable=False),
    FieldSpec(name="CreatedById", type="reference", to="User", writable=False),
    FieldSpec(name="LastModifiedDate", type="datetime", writable=False),
    FieldSpec(name="LastModifiedById", type="reference", to="User", writable=False),
    FieldSpec(name="SystemModstamp", type="datetime", writable=False),
)
_OURS = (
    FieldSpec(name="WhatsApp_Status__c", type="picklist", choices=STATUSES, restricted=True),
    FieldSpec(name="WhatsApp_Status_At__c", type="datetime"),
    FieldSpec(name="WhatsApp_Status_Source__c"),
    FieldSpec(name="WhatsApp_Service_Status__c", type="picklist", choices=STATUSES, restricted=True),
    FieldSpec(name="WhatsApp_Id__c", length=140, unique=True),
    FieldSpec(name=LABELS_FIELD, type="multipicklist", length=4099, choices=LABELS),
    FieldSpec(name="Language__c", length=10),
    FieldSpec(name="WhatsApp_Opt_In__c", type="boolean"),
)


def _texts(names: str, kind: str = "string", length: int = 255) -> tuple[FieldSpec, ...]:
    return tuple(FieldSpec(name=name, type=kind, length=length) for name in names.split())


def _references(**to: str) -> tuple[FieldSpec, ...]:
    return tuple(FieldSpec(name=name, type="reference", length=18, to=target) for name, target in to.items())


_PERSON = (
    *_texts("Salutation FirstName", length=40), *_texts("LastName", length=80), *_texts("Title", length=128),
    FieldSpec(name="Name", length=121, writable=False), *_texts("Phone MobilePhone HomePhone", "phone", 40),
    *_texts("Email", "email", 80), FieldSpec(name="HasOptedOutOfEmail", type="boolean"),
    FieldSpec(name="DoNotCall", type="boolean"), *_texts("Description", "textarea", 32_000),
    *_references(OwnerId="User"),
)  # fmt: skip
_STATES = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
_ORIGINS = ("Phone", "Email", "Web", "WhatsApp")


def _object(name: str, prefix: str, fields: Iterable[FieldSpec], *, ours: bool = False) -> tuple[str, ObjectSpec]:
    every = (*_SYSTEM, *fields, *(_OURS if ours else ()))
    return name, ObjectSpec(name=name, prefix=prefix, fields={one.name: one for one in every})


_ACTIVITY = (
    *_texts("Subject"),
    *_texts("Description", "textarea", 32_000),
    *_references(WhoId="Contact", OwnerId="User"),
)

OBJECTS: Mapping[str, ObjectSpec] = dict((
    _object("Contact", "003", (
        *_PERSON, *_references(AccountId="Account"), *_texts("Department LeadSource OtherCountry"),
        *_texts("OtherPhone", "phone", 40), FieldSpec(name="Birthdate", type="date"),
        *_texts("MailingStreet MailingCity MailingPostalCode MailingCountry MailingCountryCode"),
    ), ours=True),
    _object("Lead", "00Q", (
        *_PERSON, *_texts("Company Street City PostalCode Country CountryCode LeadSource"),
        FieldSpec(name="Status", type="picklist", choices=_STATES),
        FieldSpec(name="IsConverted", type="boolean"), *_references(ConvertedContactId="Contact"),
    ), ours=True),
    _object("Account", "001", (
        *_texts("Name Industry BillingCountry BillingCity"), *_texts("Phone", "phone", 40),
        FieldSpec(name="NumberOfEmployees", type="int"), FieldSpec(name="AnnualRevenue", type="currency"),
    )),
    _object("Case", "500", (
        FieldSpec(name="CaseNumber", length=30, writable=False), *_texts("Subject"),
        *_texts("Description", "textarea", 32_000), *_texts("SuppliedName SuppliedEmail Type Reason WhatsApp_Reply__c"),
        *_texts("SuppliedPhone ContactPhone ContactMobile", "phone", 40),
        FieldSpec(name="Status", type="picklist", choices=("New", "Working", "Escalated", "Closed")),
        FieldSpec(name="Priority", type="picklist", choices=("High", "Medium", "Low")),
        FieldSpec(name="Origin", type="picklist", choices=_ORIGINS), FieldSpec(name="IsClosed", type="boolean"),
        FieldSpec(name="ClosedDate", type="datetime"),
        *_references(ContactId="Contact", AccountId="Account", ParentId="Case"),
    )),
    _object("Opportunity", "006", (
        *_texts("Name NextStep Type"), FieldSpec(name="StageName", type="picklist", choices=(
            "Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost",
        )), FieldSpec(name="Amount", type="currency"), FieldSpec(name="Probability", type="double"),
        FieldSpec(name="CloseDate", type="date"), FieldSpec(name="IsClosed", type="boolean"),
        FieldSpec(name="IsWon", type="boolean"), *_references(AccountId="Account", ContactId="Contact"),
        *_texts("Contact_Mobile__c", "phone", 40),
    )),
    _object("Event", "00U", (
        *_ACTIVITY, *_texts("Location Type WhatsApp_Reply__c"), FieldSpec(name="IsPrivate", type="boolean"),
        FieldSpec(name="StartDateTime", type="datetime"),
        FieldSpec(name="EndDateTime", type="datetime"), FieldSpec(name="IsAllDayEvent", type="boolean"),
        FieldSpec(name="DurationInMinutes", type="int"),
    )),
    _object("Task", "00T", (
        *_ACTIVITY, FieldSpec(name="Status", type="picklist", choices=("Not Started", "In Progress", "Completed")),
        FieldSpec(name="ActivityDate", type="date"), *_texts("Phone", "phone", 40),
    )),
    _object("Order", "801", (
        FieldSpec(name="OrderNumber", length=30, writable=False), *_texts("Status"),
        FieldSpec(name="TotalAmount", type="currency"), FieldSpec(name="EffectiveDate", type="date"),
        *_references(AccountId="Account", BillToContactId="Contact"),
    )),
    _object("CampaignMember", "00v", (
        *_texts("Status"), *_references(CampaignId="Campaign", ContactId="Contact", LeadId="Lead"),
    )),
    _object("Campaign", "701", _texts("Name Status")),
    _object("Appointment__c", "a00", (
        *_texts("Name Place__c"), *_texts("Phone__c", "phone", 40), FieldSpec(name="Starts_At__c", type="datetime"),
        FieldSpec(name="Seats__c", type="double"), FieldSpec(name="Confirmed__c", type="boolean"),
        *_references(Contact__c="Contact"),
    )),
    _object("Topic", "0TO", _texts("Name Description")),
    _object("TopicAssignment", "0TA", _references(TopicId="Topic", EntityId="Contact")),
    _object("User", "005", _texts("Name Username Email")),
    _object("Organization", "00D", (
        *_texts("Name InstanceName OrganizationType"), FieldSpec(name="IsSandbox", type="boolean"),
    )),
))  # fmt: skip
"""By name. TopicAssignment's EntityId points to any object; a Contact stands for it here."""
