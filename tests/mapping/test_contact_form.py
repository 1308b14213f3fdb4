from typing import Any

import pytest

from connector.contract import Adapter, Field, SettingsSchema, Topic
from connector.errors import MappingError
from connector.mapping.contact import ContactMapping, Direction, Wins
from connector.mapping.contact_form import check_contact, load_contact

SOURCE = """
kind = "contact"
title = "Contacts"
adapter = "toycrm"
object = "Contact"
look_up = true

[[records]]
events = ["contact.saved", "contact.merged"]
id = "Id"

[[fields]]
contact = "phone"
in = ["MobilePhone", "Phone"]
region = ["Address.Country", "account.country"]

[[fields]]
contact = "name"
in = ["FirstName + LastName"]

[[fields]]
contact = "consent.marketing"
vendor = "Status__c"
direction = "both"
values = { "Opted in" = "granted", "Opted out" = "revoked", "" = "unknown" }
at = "Status_At__c"
source = "Status_Source__c"
write_at = "Status_At__c"
wins = "ours"

[[fields]]
contact = "labels"
vendor = "Labels__c"
direction = "both"
separator = ";"
only = ["vip"]

[[fields]]
contact = "wa_id"
vendor = "WhatsApp_Id__c"
direction = "out"
"""
NAMES = ("Id", "FirstName", "LastName", "MobilePhone", "Phone", "Address.Country", "Status__c", "Status_At__c",
         "Status_Source__c", "Labels__c", "WhatsApp_Id__c")  # fmt: skip
FIELDS = tuple(Field(name, "text") for name in NAMES)


def adapter(**changes: Any) -> Adapter:
    topics = tuple(Topic(name=word, event=f"contact.{word}", title=word, fields=FIELDS) for word in ("saved", "merged"))
    given: dict[str, Any] = {
        "name": "toycrm", "title": "Toy CRM", "settings": SettingsSchema, "objects": ("Contact", "Lead"),
        "holds": {"Contact": FIELDS}, "topics": topics, "crm": lambda settings, kit: None,
    }  # fmt: skip
    return Adapter(**(given | changes))


def mapping(old: str = "", new: str = "") -> ContactMapping:
    assert old in SOURCE
    return load_contact("toys/contact", SOURCE.replace(old, new, 1) if old else SOURCE)


def faults(source: str) -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        load_contact("toys/contact", source)
    return {fault.path: fault.words for fault in caught.value.faults}


def test_a_contact_mapping_is_read_whole() -> None:
    found = mapping()
    assert (found.name, found.adapter, found.object, found.look_up) == ("toys/contact", "toycrm", "Contact", True)
    assert found.source == SOURCE
    assert found.id_path("contact.merged") == "Id"
    assert found.id_path("case.saved") == ""
    phone, name, consent, labels, wa_id = found.fields
    assert (phone.paths, phone.region) == (("MobilePhone", "Phone"), ("Address.Country", "account.country"))
    assert (phone.direction, phone.vendor) == (Direction.IN, "")
    assert name.paths == ("FirstName + LastName",)
    assert consent.paths == ("Status__c",)
    assert (consent.goes_out, consent.comes_in, consent.wins) == (True, True, Wins.OURS)
    assert (consent.to_vendor("granted"), consent.to_vendor("revoked")) == ("Opted in", "Opted out")
    assert (labels.separator, labels.only) == (";", ("vip",))
    assert (wa_id.paths, wa_id.comes_in) == ((), False)


def test_all_faults_are_told_at_once_each_with_its_path() -> None:
    found = faults(
        """
        kind = "contact"
        titel = "x"
        adapter = "toycrm"
        [[records]]
        events = []
        [[fields]]
        contact = "phne"
        [[fields]]
        contact = "phone"
        vendor = "x"
        direction = "both"
        values = { a = "granted" }
        [[fields]]
        contact = "email"
        in = ["{{ email }}"]
        wins = "we"
        """
    )
    assert set(found) == {
        "title", "titel", "object", "records.0.events", "records.0.id", "fields.0.contact", "fields.1.direction",
        "fields.1.values", "fields.2.in.0", "fields.2.wins",
    }  # fmt: skip
    assert found["fields.0.contact"].endswith("did you mean 'phone'?")


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ('vendor = "Labels__c"', "", "fields.3.vendor", "is missing"),
        ('in = ["MobilePhone", "Phone"]', "", "fields.0.in", "is missing"),
        ('vendor = "WhatsApp_Id__c"', 'vendor = "Labels__c"', "fields.4.vendor", "by another field"),
        ('vendor = "WhatsApp_Id__c"', 'vendor = "Status_At__c"', "fields.4.vendor", "by another field"),
        ('values = { "Opted in"', 'values = { "Opted in" = "granted", "OPTED IN"', "fields.2.values", "the same value"),
        ('"Opted out" = "revoked", ', "", "fields.2.values", "no value that is written for 'revoked'"),
        ('source = "Status_Source__c"', "", "fields.2.place", "does not count"),
        ('"Opted in" = "granted"', '"Opted in" = "yes"', "fields.2.values.Opted in", "must be 'granted'"),
        ('in = ["MobilePhone", "Phone"]', 'in = ["A + B"]', "fields.0.in", "only a name"),
        ('only = ["vip"]', 'only = ["a;b"]', "fields.3.only.0", "tear it in two"),
        ('direction = "out"', 'direction = "out"\nin = ["x"]', "fields.4.in", "only goes out"),
        ('region = ["Address', 'separator = "x"\nregion = ["Address', "fields.0.separator", "belongs to"),
        ('separator = ";"', 'events = ["contact.savd"]', "fields.3.events", "did you mean 'contact.saved'?"),
        ('id = "Id"', 'id = "Id"\n[[records]]\nevents = ["contact.saved"]\nid = "Id"', "records", "more than one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(old: str, new: str, path: str, words: str) -> None:
    assert words in faults(SOURCE.replace(old, new, 1))[path]


def test_a_sound_mapping_has_no_faults() -> None:
    assert check_contact(mapping(), adapter()) == []


def told(of: ContactMapping, given: Adapter | None = None, described: Any = None) -> list[str]:
    return [str(fault) for fault in check_contact(of, given or adapter(), described)]


def test_an_object_that_the_adapter_knows_nobody_by_is_told() -> None:
    assert told(mapping('object = "Contact"', 'object = "Contakt"')) == [
        "object: toycrm has no 'Contakt' to know people by; did you mean 'Contact'?"
    ]
    assert told(mapping('object = "Contact"', 'object = "Order"')) == [
        "object: toycrm has no 'Order' to know people by; there are Contact, Lead."
    ]


def test_an_adapter_that_cannot_be_asked_looks_nobody_up() -> None:
    assert told(mapping(), adapter(crm=None)) == ["look_up: toycrm cannot be asked for records."]


def test_a_field_that_the_vendor_does_not_have_is_told_with_the_nearest() -> None:
    assert told(mapping('vendor = "Labels__c"', 'vendor = "Label__c"')) == [
        "fields.3.vendor: Contact has no field 'Label__c'; did you mean 'Labels__c'?",
        "fields.3.in.0: the event has no field 'Label__c'; did you mean 'Labels__c'?",
    ]
    assert told(mapping('"MobilePhone"', '"MobilPhone"')) == [
        "fields.0.in.0: the event has no field 'MobilPhone'; did you mean 'MobilePhone'?"
    ]
    assert told(mapping('id = "Id"', 'id = "id"')) == ["records.0.id: the event has no field 'id'; did you mean 'Id'?"]


def test_what_the_vendor_describes_goes_before_what_is_known_by_heart() -> None:
    described = {"Contact": [Field("Labels__c", "list"), Field("Status__c", "text")]}
    found = told(mapping(), described=described)
    assert found == [
        "fields.2.write_at: Contact has no field 'Status_At__c'; did you mean 'Status__c'?",
        "fields.4.vendor: Contact has no field 'WhatsApp_Id__c'.",
    ]


def test_fields_that_only_the_vendor_knows_are_not_checked() -> None:
    assert told(mapping('"MobilePhone"', '"Whatever__c"'), adapter(holds={})) == []


def test_a_field_by_a_pattern_is_known() -> None:
    metafields = {"Contact": (*FIELDS, Field("metafield:*", "text"))}
    of = mapping('vendor = "WhatsApp_Id__c"', 'vendor = "metafield:custom.wa"')
    assert told(of, adapter(holds=metafields)) == []


def test_an_event_that_the_adapter_does_not_have_is_told() -> None:
    found = told(mapping('"contact.merged"', '"contact.mreged"'))
    assert found == ["records.0.events: toycrm has no event 'contact.mreged'; did you mean 'contact.merged'?"]
    assert told(mapping('"contact.merged"', '"visit__c.saved"'), adapter(custom_events="*__c.saved")) == []
