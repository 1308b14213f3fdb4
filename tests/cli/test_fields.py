"""Which fields a vendor's records have, asked on the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.cli.accounts import accounts
from connector.contract import Crm, Field
from connector.errors import PermanentError
from connector.wiring import Wiring
from tests import toys

Run = Any
WSDL = Path(__file__).parents[2] / "adapters" / "salesforce" / "fixtures" / "appointment.wsdl.xml"


class Memory(Crm):
    def record(self, changes: Any) -> list[Any]:
        return []

    def fields(self, object: str) -> Sequence[Field]:  # noqa: A002
        if object != "Contact":
            raise PermanentError(f"There is no {object}.", advice="Ask for Contact.")
        return (Field("MobilePhone", "phone", "e.g. +49 170 1234567"), Field("Status__c", "text"))


def give(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the toy shop be something else."""
    monkeypatch.setattr(toys, "SHOP", replace(toys.SHOP, **changes))


@pytest.mark.usefixtures("_shop")
def test_the_vendor_is_asked_for_the_fields(run: Run, wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, crm=lambda settings, kit: Memory(), objects=("Contact", "Lead"))
    shown = run(accounts, "fields", "main", "--object", "Contact").stdout
    assert "Contact: 2 fields, says the vendor" in shown
    assert "MobilePhone" in shown
    assert "1234567" not in shown
    (told,) = json.loads(run(accounts, "fields", "main", "--object", "Contact", "--json").stdout)
    assert told["source"] == "the vendor"
    assert told["fields"][1] == {"field": "Status__c", "type": "text", "words": ""}
    refused = run(accounts, "fields", "main", "--object", "Nothing")
    assert (refused.exit_code, refused.stderr) == (1, "Error: There is no Nothing. Ask for Contact.\n")


@pytest.mark.usefixtures("_shop")
def test_without_an_object_the_objects_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "keeps no records of people" in run(accounts, "fields", "main").stdout
    give(monkeypatch, objects=("Contact", "Lead"))
    shown = run(accounts, "fields", "main").stdout
    assert "Toy shop has Contact, Lead." in shown
    assert "connector accounts fields main --object Contact" in shown
    assert json.loads(run(accounts, "fields", "main", "--json").stdout) == ["Contact", "Lead"]


@pytest.mark.usefixtures("_shop")
def test_without_access_the_adapter_tells_what_it_knows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    give(
        monkeypatch, crm=lambda settings, kit: None, holds={"order": (Field("tags", "list"), Field("id", "id", "old"))}
    )
    shown = run(accounts, "fields", "main", "--object", "order").stdout
    assert "order: 5 fields, says the adapter" in shown
    assert "customer.first_name" in shown
    assert "connector accounts check main" in shown
    unknown = run(accounts, "fields", "main", "--object", "Pet__c")
    assert unknown.exit_code == 2
    assert "nothing is known of Toy shop's object 'Pet__c'; objects: order" in unknown.stderr


def test_a_wsdl_tells_the_fields_of_salesforce_without_its_api(run: Run) -> None:
    given = ("--set", "organization_id=00D5g000004AbCd", "--set", "country=GB")
    assert run(accounts, "add", "salesforce", "--name", "crm", *given).exit_code == 0
    shown = run(accounts, "fields", "crm", "--wsdl", str(WSDL)).stdout
    assert "Appointment__c: " in shown
    assert "says the file" in shown
    (told,) = json.loads(
        run(accounts, "fields", "crm", "--wsdl", str(WSDL), "--object", "Appointment__c", "--json").stdout
    )
    assert told["fields"][0]["field"] == "Id"
    other = run(accounts, "fields", "crm", "--wsdl", str(WSDL), "--object", "Contact")
    assert other.exit_code == 2
    assert "it declares Appointment__c" in other.stderr


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"{}", b" " * (5 << 20)]
)
def test_a_file_that_is_no_wsdl_is_refused_in_words(run: Run, tmp_path: Path, body: bytes) -> None:
    assert (
        run(accounts, "add", "salesforce", "--name", "crm", "--set", "organization_id=00D5g000004AbCd").exit_code == 0
    )
    file = tmp_path / "strange.wsdl"
    file.write_bytes(body)
    refused = run(accounts, "fields", "crm", "--wsdl", str(file))
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: ")


@pytest.mark.usefixtures("_shop")
def test_a_file_is_refused_where_the_vendor_has_none(run: Run) -> None:
    refused = run(accounts, "fields", "main", "--wsdl", str(WSDL))
    assert refused.exit_code == 2
    assert "Toy shop has no file of fields" in refused.stderr
