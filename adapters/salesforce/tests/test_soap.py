"""Outbound Messages: who sent them, what they tell, and what must not get in."""

from __future__ import annotations

import codecs
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce import soap as messages
from adapters.salesforce.tests.posting import (
    ACTION,
    CONTACT,
    ORGANIZATION,
    RECEIVED_AT,
    captured,
    envelope,
    events,
    notification,
    parse,
    receiver,
    request,
    soap,
)
from connector.errors import PayloadError, SignatureError
from connector.model import Ignored, Verified

BOMB = '<!DOCTYPE b [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>'
ATTACKS = {
    "a bomb": BOMB,
    "entities that hold each other": '<!DOCTYPE b [<!ENTITY a "&b;"><!ENTITY b "&a;">]>',
    "one large entity": f'<!DOCTYPE b [<!ENTITY a "{"A" * 5000}">]>',
    "an external entity": '<!DOCTYPE b [<!ENTITY c SYSTEM "http://127.0.0.1:9/x">]>',
    "a file": '<!DOCTYPE b [<!ENTITY c SYSTEM "file:///etc/passwd">]>',
    "a parameter entity": '<!DOCTYPE b [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
    "a DTD elsewhere": '<!DOCTYPE b SYSTEM "http://127.0.0.1:9/x.dtd">',
    "a harmless DTD": "<!DOCTYPE b [<!ELEMENT b ANY>]>",
}


def attacked(doctype: str) -> bytes:
    head, _, rest = envelope(notification(LastName="&c;")).partition("\n")
    return (head + doctype + rest.replace("&amp;c;", "&c;")).encode()


# who sent it


def test_a_message_of_the_account_s_organisation_is_accepted_as_it_is() -> None:
    for name in ("case_outbound", "contacts_outbound"):
        assert receiver().verify(captured(name)) == captured(name)


@pytest.mark.parametrize("organization", [ORGANIZATION, ORGANIZATION[:15], f"\n {ORGANIZATION} "])
@pytest.mark.parametrize("configured", [ORGANIZATION, ORGANIZATION[:15]])
def test_an_organisation_is_the_same_with_15_and_with_18_characters(organization: str, configured: str) -> None:
    found = soap(notification(), organization=organization)
    assert events(found, organization_id=configured)


@pytest.mark.parametrize(
    "organization",
    [
        "", "00D5g000004AbCe", ORGANIZATION.lower(), ORGANIZATION[:14], ORGANIZATION + "A", "00D" + "Ä" * 12,
        "//evil.example/x",
    ],
)  # fmt: skip
def test_another_organisation_is_refused(organization: str) -> None:
    with pytest.raises(SignatureError):
        receiver().verify(soap(notification(), organization=organization))


def test_the_organisation_must_stand_where_salesforce_puts_it() -> None:
    body = envelope(notification(), organization="00D000000000001AAA")
    good = f"<OrganizationId>{ORGANIZATION}</OrganizationId>"
    for hidden in (f"<!-- {good} -->", f"<x>{good}</x>", good.replace("<Org", '<o:Org xmlns:o="urn:x" ', 1)):
        with pytest.raises(SignatureError):
            receiver().verify(request(body.replace("<OrganizationId>", hidden + "<OrganizationId>", 1)))
    with pytest.raises(SignatureError):
        receiver().verify(request(f"<a>{good}</a>"))


def test_two_organisations_in_one_message_are_refused() -> None:
    one = f"<OrganizationId>{ORGANIZATION}</OrganizationId>"
    with pytest.raises(PayloadError, match="two organisations"):
        parse(request(envelope(notification()).replace(one, one * 2)))


def test_of_what_nobody_has_proved_only_the_beginning_is_looked_at() -> None:
    late = envelope(notification()).replace("<OrganizationId>", f"<!--{'x' * messages.HEAD}--><OrganizationId>")
    with pytest.raises(SignatureError, match="16 KiB"):
        receiver().verify(request(late))
    broken = envelope(notification(Description="x" * messages.HEAD)).encode()[: messages.HEAD + 99]
    receiver().verify(request(broken))  # proved by its beginning; that its end is missing is told later
    with pytest.raises(PayloadError, match="not XML"):
        parse(request(broken))


def test_what_claims_to_be_our_own_feed_is_refused() -> None:
    found = soap(notification())
    headers = {**found.headers, "x-connector-feed": "1"}
    with pytest.raises(SignatureError, match="feed"):
        receiver().verify(request(found.body, **headers))


@pytest.mark.parametrize("doctype", ATTACKS.values(), ids=ATTACKS)
def test_no_dtd_gets_in(doctype: str) -> None:
    with pytest.raises(SignatureError):
        receiver().verify(request(attacked(doctype)))
    with pytest.raises(PayloadError, match="DTD"):
        receiver().parse(Verified(request(attacked(doctype))))


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"<", b"<a", b"<a>", b"</a>", b"<a/><b/>", b"\x00", b"\xff\xfe", b"\xff\xfe<\x00", b"\xfe\xff\x00<",
        b"<a>\x00</a>", b"<a>\xff</a>", b"<a>&c;</a>", b"<a>&#0;</a>", b"\n<?xml version='1.0'?><a/>", b"<?xml?><a/>",
        b"<?xml version='1.0' encoding='utf-7'?><a>+ADw-b+AD4-</a>", b"<?xml version='1.0' encoding='idna'?><a/>",
        b"<?xml version='1.0' encoding='nobody'?><a/>", b"<?xml version='1.0' encoding='utf-32'?><a/>",
        b"<a>" * 300_000, b"<a>" * 1_000_000, b"<a " + b"x" * 200_000, b"<a x='" + b"&lt;" * 100_000,
        "<?xml version='1.0'?><ä/>".encode("latin-1"), b"<a xmlns:x='1' x:b='' x:b=''/>", b"<x:a/>",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_message_is_refused_in_words_and_without_effort(body: bytes) -> None:
    with pytest.raises(SignatureError) as refused:
        receiver().verify(request(body))
    assert str(refused.value)
    here = Verified(request(body))
    assert receiver().key(here).startswith("sha256:")
    assert receiver().topic(here) == ""
    with pytest.raises(PayloadError) as unread:
        receiver().parse(here)
    assert 0 < len(str(unread.value)) < 500


def test_nesting_is_bounded_inside_a_message_too() -> None:
    deep = notification(LastName="x").replace(">x<", ">" + "<a>" * 50 + "</a>" * 50 + "<")
    with pytest.raises(PayloadError, match="too deeply"):
        parse(request(envelope(deep)))


def test_a_message_that_is_too_large_is_told_as_such() -> None:
    with pytest.raises(PayloadError, match="Choose fewer fields"):
        parse(soap(notification(Description="x" * messages.MOST_BYTES)))


def test_a_message_holds_a_hundred_notifications_and_no_more() -> None:
    many = [notification(number) for number in range(100)]
    assert len(events(soap(*many))) == 100
    with pytest.raises(PayloadError, match="more than 100"):
        parse(soap(*many, notification(100)))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_receiver(junk: bytes) -> None:
    here = receiver()
    for body in (junk, b"<" + junk, b"<?xml version='1.0'?>" + junk):
        with pytest.raises(SignatureError):
            here.verify(request(body))
        here.key(Verified(request(body)))
        here.topic(Verified(request(body)))
        with pytest.raises(PayloadError):
            here.parse(Verified(request(body)))


@settings(deadline=None)
@given(st.integers(0, len(envelope(notification(LastName="O")).encode()) - 1), st.binary(min_size=1, max_size=3))
def test_a_message_with_other_bytes_anywhere_becomes_events_or_a_declared_error(place: int, other: bytes) -> None:
    body = bytearray(envelope(notification(LastName="O")).encode())
    body[place : place + len(other)] = other
    with suppress(SignatureError, PayloadError):
        parse(request(bytes(body)))


# what it tells


def test_a_message_becomes_an_event_for_each_record() -> None:
    first, second = events(captured("contacts_outbound"))
    assert first.type == second.type == "contact.saved"
    assert first.key == "contact.saved:0035g00000QwErTAAV:04l5g00000AaAaAAAV"
    assert first.subject == "Contact:0035g00000QwErTAAV"
    assert first.topic == "Contact"
    assert first.payload["FirstName"] == "Amelia"
    assert first.payload["_object"] == "Contact"
    assert "Amelia" not in first.label
    assert "Okafor" not in first.label
    assert second.subject != first.subject


def test_a_case_knows_whom_it_is_about() -> None:
    (case,) = events(captured("case_outbound"), actions={"04k5g000000TyUi": "case.closed"})
    assert case.type == "case.closed"
    assert case.label == "Case 00001042"
    assert set(case.about) == {"Contact:0035g00000QwErTAAV", "Account:0015g00000AsDfGAAV"}
    assert case.remembers == {"contact": "Contact:0035g00000QwErTAAV", "organisation": "Account:0015g00000AsDfGAAV"}
    assert case.occurred_at == datetime(2026, 11, 20, 10, 5, 30, tzinfo=UTC)


def test_the_action_gives_the_event_its_word_whichever_form_its_id_has() -> None:
    for action in (ACTION, ACTION[:15]):
        (event,) = events(soap(notification(), action=action), actions={ACTION: "contact.welcomed"})
        assert event.type == "contact.welcomed"
    (other,) = events(soap(notification(), action="04k000000000009AAA"), actions={ACTION: "contact.welcomed"})
    assert other.type == "contact.saved"


def test_bom_line_ends_and_other_encodings_are_read() -> None:
    text = envelope(notification(LastName="Öztürk \N{PARTY POPPER}"))
    wide = text.replace("UTF-8", "UTF-16")
    for body in (
        text.encode(),
        codecs.BOM_UTF8 + text.encode(),
        text.replace("><", ">\r\n  <").encode(),
        wide.encode("utf-16"),
        codecs.BOM_UTF16_BE + wide.encode("utf-16-be"),
    ):
        (event,) = events(request(body))
        assert event.payload["LastName"] == "Öztürk \N{PARTY POPPER}"
        assert event.payload["Id"] == CONTACT
    latin = envelope(notification(LastName="Öztürk")).replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert events(request(latin))[0].payload["LastName"] == "Öztürk"


def test_prefixes_and_the_order_of_attributes_say_nothing() -> None:
    body = envelope(notification(LastName="Okafor"))
    other = (
        body.replace("soapenv:", "S:").replace("xmlns:soapenv", "xmlns:S")
        .replace("sf:", "q:").replace("xmlns:sf", "xmlns:q")
        .replace('xsi:type="q:Contact" xmlns:q="urn:sobject.enterprise.soap.sforce.com"',
                 'xmlns:q="urn:sobject.enterprise.soap.sforce.com" xsi:type="q:Contact"')
    )  # fmt: skip
    assert other != body
    assert events(request(other)) == events(request(body))


def test_elements_of_another_namespace_are_not_fields() -> None:
    body = envelope(notification(LastName="Okafor")).replace(
        "<sf:LastName>", '<sf:LastName xmlns:sf="urn:of.somebody.else">'
    )
    assert "LastName" not in events(request(body))[0].payload


def test_a_field_that_is_told_to_be_nothing_is_none_and_a_missing_one_is_missing() -> None:
    body = envelope(notification(Title=None, LastName="Okafor")).replace("<sf:Title/>", '<sf:Title xsi:nil="true"/>')
    (event,) = events(request(body))
    assert event.payload["Title"] is None
    assert "FirstName" not in event.payload


def test_values_that_can_hardly_be_anything_else_get_their_type() -> None:
    told = {
        "NumberOfEmployees": "39.0", "Rate__c": "-1.5", "AnnualRevenue": "1.25E7", "DoNotCall": "true",
        "IsWon": "false", "Zero__c": "0.0", "Digits__c": "00420",
        "MobilePhone": "0171.123456", "Phone": "555.1234", "PostalCode": "1.0",
        "Version__c": "2.0", "Name": "1.2.3", "Code__c": "007.5", "Tags__c": "a;b", "Day__c": "2026-11-20",
        "Word__c": "True", "Long__c": "9" * 30 + ".5", "Arabic__c": "٣.٥",
    }  # fmt: skip
    (event,) = events(soap(notification(**told)))
    found = {name: event.payload[name] for name in told}
    assert found == told | {
        "NumberOfEmployees": 39, "Rate__c": Decimal("-1.5"), "AnnualRevenue": 12_500_000, "DoNotCall": True,
        "IsWon": False, "Zero__c": 0,
    }  # fmt: skip
    assert type(found["NumberOfEmployees"]) is int


def test_ids_are_kept_with_18_characters() -> None:
    (event,) = events(soap(notification(Id=CONTACT[:15], AccountId="0015g00000AsDfG")))
    assert event.payload["Id"] == CONTACT
    assert event.about == ("Account:0015g00000AsDfGAAV",)


@pytest.mark.parametrize(
    "bad",
    [
        "//evil.example/x", "../../x", "", "003", CONTACT[:-1], CONTACT + "A", "0035g00000QwErT\x85", "'" * 15,
        "０" * 15, f"{CONTACT}\n/x",
    ],
)  # fmt: skip
def test_an_id_that_is_none_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(PayloadError, match="no usable Id") as refused:
        parse(soap(notification(Id=bad)))
    assert not bad or bad not in str(refused.value)
    with pytest.raises(PayloadError, match="no usable Id"):
        parse(request(envelope(notification()).replace("04l5g0000000001AAA", bad)))


def test_a_lookup_that_is_no_id_is_no_relation() -> None:
    (event,) = events(soap(notification(AccountId="//evil.example/x", ReportsToId="../../x")))
    assert event.about == ()


def test_an_object_without_a_usable_name_is_refused() -> None:
    for object_ in ("", "a b", "1Contact", "x" * 81):
        with pytest.raises(PayloadError, match="of which object"):
            parse(soap(notification(object_=object_)))


def test_a_notification_without_a_record_is_passed_over() -> None:
    bare = "<Notification><Id>04l5g0000000009AAA</Id></Notification>"
    assert len(events(soap(bare, notification()))) == 1
    assert parse(soap(bare)) == [Ignored("(no records)")]
    assert parse(soap()) == [Ignored("(no records)")]


def test_one_bad_record_leaves_nothing_of_the_message() -> None:
    with pytest.raises(PayloadError):
        parse(soap(notification(1), notification(2, Id="nobody"), notification(3)))


def test_custom_objects_need_not_be_declared() -> None:
    found = soap(
        notification(object_="Appointment__c", Id="a0B5g000001XyZw", Name="A-0042", Starts__c="2026-11-25T14:30:00Z")
    )
    (event,) = events(found)
    assert (event.type, event.label) == ("appointment__c.saved", "A-0042")
    assert receiver().topic(Verified(found)) == "Appointment__c"


def test_the_time_of_an_event_is_the_last_change_and_not_when_the_record_was_made() -> None:
    (old,) = events(soap(notification(CreatedDate="2019-01-01T00:00:00.000Z")))
    assert old.occurred_at == RECEIVED_AT
    changed = {"SystemModstamp": "2026-11-22T11:00:01.000Z", "LastModifiedDate": "2026-11-22T11:00:00.000Z"}
    (event,) = events(soap(notification(**changed)))
    assert event.occurred_at == datetime(2026, 11, 22, 11, 0, 1, tzinfo=UTC)
    (ahead,) = events(soap(notification(SystemModstamp="2036-01-01T00:00:00Z", LastModifiedDate="never")))
    assert ahead.occurred_at == RECEIVED_AT


# knowing it again


def test_a_retry_is_the_same_delivery_even_if_the_record_has_changed_meanwhile() -> None:
    def key(*notifications: str) -> str:
        return receiver().key(Verified(soap(*notifications)))

    first = key(notification(1, LastName="Okafor"), notification(2))
    assert key(notification(2), notification(1, LastName="Okafor-Reed")) == first
    assert len({first, key(notification(1)), key(notification(1), notification(3)), key()}) == 4


def test_a_notification_that_comes_again_is_the_same_event() -> None:
    (first,) = events(soap(notification(1, LastName="Okafor")))
    again = events(soap(notification(1, LastName="Okafor-Reed"), notification(1), notification(2)))
    assert [event.key for event in again].count(first.key) == 1
    assert len(again) == 2


def test_the_answer_is_salesforce_s_own_yes() -> None:
    answer = receiver().acknowledge(Verified(soap(notification())))
    assert (answer.status, answer.content_type) == (200, "text/xml; charset=utf-8")
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
        b"</soapenv:Body></soapenv:Envelope>\n"
    )
    assert receiver().acknowledge() == answer


def test_a_session_id_goes_no_further_than_the_stored_body() -> None:
    body = envelope(notification()).replace('<SessionId xsi:nil="true"/>', "<SessionId>00D5g!AQ0AQsecret</SessionId>")
    message = messages.read(body.encode())
    (event,) = events(request(body))
    assert "AQ0AQsecret" not in repr(message) + repr(event) + str(event.payload)
