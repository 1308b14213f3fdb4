"""Which fields an outbound message sends, told by its WSDL."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce.tests.posting import FIXTURES
from adapters.salesforce.tests.test_soap import ATTACKS
from adapters.salesforce.wsdl import MOST_BYTES, read_wsdl
from connector.errors import PayloadError

WSDL = (FIXTURES / "appointment.wsdl.xml").read_bytes()


def test_a_wsdl_tells_the_fields_with_their_types() -> None:
    fields = read_wsdl(WSDL)
    assert list(fields) == ["Appointment__c"]
    assert {field.path: field.type for field in fields["Appointment__c"]} == {
        "Id": "id",
        "Cancelled__c": "boolean",
        "Client__c": "id",
        "ClientMobile__c": "phone",
        "Day__c": "time",
        "DurationMinutes__c": "number",
        "Name": "text",
        "Starts__c": "time",
        "SystemModstamp": "time",
        "Topics__c": "text",
    }


def test_prefixes_say_nothing() -> None:
    other = WSDL.replace(b'xmlns="http://www.w3.org/2001/XMLSchema"', b'xmlns:s="http://www.w3.org/2001/XMLSchema"')
    for name in (b"schema", b"complexType", b"element", b"sequence", b"extension", b"complexContent", b"import"):
        other = other.replace(b"<%s " % name, b"<s:%s " % name).replace(b"<%s>" % name, b"<s:%s>" % name)
        other = other.replace(b"</%s>" % name, b"</s:%s>" % name)
    assert b"<s:element" in other
    assert read_wsdl(other) == read_wsdl(WSDL)


@pytest.mark.parametrize("doctype", ATTACKS.values(), ids=ATTACKS)
def test_no_dtd_gets_in(doctype: str) -> None:
    with pytest.raises(PayloadError, match="DTD"):
        read_wsdl(WSDL.replace(b"<definitions", doctype.encode() + b"<definitions", 1))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"<a/>", b"<a>" * 300_000, WSDL[:-20], b"x" * (MOST_BYTES + 1),
        WSDL.replace(b"Appointment__c", b"../x"),
    ],
)  # fmt: skip
def test_what_is_no_such_wsdl_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(PayloadError) as refused:
        read_wsdl(data)
    assert 0 < len(str(refused.value)) < 300


def test_the_number_of_fields_is_bounded() -> None:
    many = b"".join(b'<element name="F%d__c" type="xsd:string"/>' % number for number in range(2001))
    marker = b'<element name="Cancelled__c"'
    with pytest.raises(PayloadError, match="more than"):
        read_wsdl(WSDL.replace(marker, many + marker, 1))


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(WSDL)))
def test_no_bytes_break_the_reader(junk: bytes, place: int) -> None:
    for data in (junk, WSDL[:place] + junk + WSDL[place + 1 :]):
        with suppress(PayloadError):
            assert read_wsdl(data)
