"""The fields that are shipped for deploying are those that the doctor asks for, and the run-as user may edit them."""

from __future__ import annotations

from pathlib import Path

import pytest
from defusedxml.ElementTree import parse

from adapters.salesforce.check import FIELDS, PEOPLE, STATES
from adapters.salesforce.ids import is_name
from adapters.salesforce.settings import API_VERSION

METADATA = Path(__file__).parent.parent / "metadata"
SOURCE = METADATA / "source" / "main" / "default"
TYPES = {
    "Picklist": "picklist", "DateTime": "datetime", "Text": "string", "MultiselectPicklist": "multipicklist",
}  # fmt: skip


def texts(path: Path, name: str) -> list[str]:
    """Return the texts of all elements of a name; raises where the file is no XML of Salesforce's metadata."""
    root = parse(path, forbid_dtd=True).getroot()
    assert root.tag.startswith("{http://soap.sforce.com/2006/04/metadata}")
    return [element.text or "" for element in root.iter() if element.tag.rpartition("}")[2] == name]


@pytest.mark.parametrize("object_", PEOPLE)
def test_each_object_gets_the_fields_with_the_types_that_the_check_expects(object_: str) -> None:
    files = sorted((SOURCE / "objects" / object_ / "fields").glob("*.field-meta.xml"))
    found = {texts(file, "fullName")[0]: TYPES[texts(file, "type")[0]] for file in files}
    assert found == dict(FIELDS)
    assert all(file.name == f"{texts(file, 'fullName')[0]}.field-meta.xml" for file in files)
    assert all(is_name(name) and len(name) <= 43 for name in found), "40 characters and __c"


@pytest.mark.parametrize("object_", PEOPLE)
def test_the_status_has_three_states_and_no_other(object_: str) -> None:
    file = SOURCE / "objects" / object_ / "fields" / "WhatsApp_Status__c.field-meta.xml"
    assert tuple(texts(file, "fullName")[1:]) == STATES
    assert texts(file, "restricted") == ["true"]


def test_labels_take_values_that_nobody_has_listed() -> None:
    file = SOURCE / "objects" / "Contact" / "fields" / "WhatsApp_Labels__c.field-meta.xml"
    assert texts(file, "restricted") == ["false"]


def test_the_package_and_the_permission_set_hold_every_field() -> None:
    every = sorted(f"{object_}.{name}" for object_ in PEOPLE for name in FIELDS)
    rights = SOURCE / "permissionsets" / "WhatsApp_Connector.permissionset-meta.xml"
    assert sorted(texts(rights, "field")) == every
    assert set(texts(rights, "editable")) == set(texts(rights, "readable")) == {"true"}
    assert set(texts(rights, "modifyAllRecords") + texts(rights, "viewAllRecords")) == {"false"}
    package = METADATA / "package.xml"
    assert sorted(texts(package, "members")) == sorted([*every, "WhatsApp_Connector"])
    assert texts(package, "version") == [API_VERSION]
