"""What a Salesforce account accepts."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from adapters.salesforce.ids import is_id, is_name, long_id, object_of, same_id, suffix
from adapters.salesforce.settings import SalesforceSettings, hosts
from adapters.salesforce.tests.posting import ORGANIZATION, load
from adapters.salesforce.tests.test_contract import GIVEN, KEY
from connector.model import Secret

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("given_", "host"),
    [
        ("acme.my", "acme.my.salesforce.com"),
        (" Acme.My.Salesforce.com ", "acme.my.salesforce.com"),
        ("https://acme.my.salesforce.com/", "acme.my.salesforce.com"),
        ("acme--uat.sandbox.my", "acme--uat.sandbox.my.salesforce.com"),
        ("acme-dev-ed.develop.my.salesforce.com", "acme-dev-ed.develop.my.salesforce.com"),
    ],
)
def test_a_my_domain_is_known_by_each_way_of_writing_it(given_: str, host: str) -> None:
    settings = load(my_domain=given_)
    assert settings["my_domain"] == host
    assert hosts(settings) == (host,)


@pytest.mark.parametrize(
    "domain",
    [
        "", "acme", "login", "test.salesforce.com", "acme.lightning.force.com", "evil.example/#", "evil.example?.my",
        "acme.my@evil.example", "user:pass@acme.my", "acme.my.salesforce.com.evil.example", "acme.my:8443", "acme.my/x",
        "acme.my\\.evil.example", "acme.my\n.evil.example", "a b.my", "-acme.my", "acme-.my", "a.b.c.my", "ácme.my",
        "http://acme.my.salesforce.com", "https://https://acme.my", "acme..my", ".my", "x" * 64 + ".my", 5, None,
        ["acme.my"],
    ],
    ids=repr,
)  # fmt: skip
def test_no_host_gets_in_by_a_my_domain(domain: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        SalesforceSettings().load({"organization_id": ORGANIZATION, "my_domain": domain})
    assert list(refused.value.messages_dict) == ["my_domain"]


@settings(deadline=None)
@given(st.text("acme.my-/:@#?\\[] \n", max_size=30))
def test_whatever_is_taken_as_a_my_domain_is_a_host_of_salesforce(domain: str) -> None:
    try:
        host = load(my_domain=domain)["my_domain"]
    except ValidationError:
        return
    assert host.endswith(".my.salesforce.com")
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


def test_the_session_may_speak_to_the_organisation_alone_and_to_nobody_without_access() -> None:
    assert hosts(load()) == ()
    assert hosts(load(my_domain="acme.my", api_url="http://127.0.0.1:8123")) == ("127.0.0.1:8123",)


def test_an_organisation_is_kept_with_18_characters() -> None:
    assert load(organization_id=ORGANIZATION[:15])["organization_id"] == ORGANIZATION
    for wrong in ("", "0015g000004AbCd", ORGANIZATION.lower(), ORGANIZATION[:14], "00D" + "/" * 12, 7):
        with pytest.raises(ValidationError, match="Company Information"):
            load(organization_id=wrong)


def test_a_key_is_taken_as_a_file_or_on_one_line_and_kept_in_one_form() -> None:
    line = b64encode(KEY.encode()).decode()
    for written in (KEY, KEY.replace("\n", "\r\n"), f"\n{KEY}\n", line, f"{line[:40]}\n{line[40:]}\n"):
        settings = load(my_domain="acme.my", client_id="a", username="connector@acme.example", private_key=written)
        assert settings["private_key"] == Secret(KEY)
        assert "fixture0key" not in repr(settings)


@pytest.mark.parametrize(
    "key",
    ["", "secret", "fixture0key==", KEY.replace("END", "and"), KEY + KEY, KEY.replace("PRIVATE", "PUBLIC"),
     "x" * 99_999, KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"), KEY.replace("MIIB", "é")],
)  # fmt: skip
def test_what_is_no_private_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValidationError, match="BEGIN to -----END") as refused:
        load(my_domain="acme.my", client_id="a", username="connector@acme.example", private_key=key)
    assert "fixture0key" not in str(refused.value)


@pytest.mark.parametrize(
    ("given_", "missing"),
    [
        ({"client_id": "a"}, "my_domain"),
        ({"my_domain": "acme.my", "client_secret": "app-secret"}, "client_id"),
        ({"my_domain": "acme.my", "client_id": "a", "private_key": KEY}, "username"),
    ],
)
def test_what_belongs_together_is_asked_for_together(given_: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValidationError) as refused:
        load(**given_)
    assert list(refused.value.messages_dict) == [missing]


def test_objects_are_a_list_or_a_text_with_commas() -> None:
    assert load()["objects"] == ["Contact", "Lead"]
    assert load(objects="Contact, Appointment__c,Contact")["objects"] == ["Contact", "Appointment__c"]
    for wrong in ("", [], "Contact;Lead", ["a b"], ["Contact WHERE"], "x" * 81, 5, ["C'"], [None]):
        with pytest.raises(ValidationError):
            load(objects=wrong)


def test_actions_are_ids_and_words_of_ours() -> None:
    assert load(actions={"04k5g000000TyUi": "case.closed"})["actions"] == {"04k5g000000TyUiAAK": "case.closed"}
    for wrong in (
        {"x": "case.closed"},
        {"04k5g000000TyUi": "Case closed"},
        {"04k5g000000TyUi": 5},
        [],
        "x",
        {5: "a.b"},
    ):
        with pytest.raises(ValidationError):
            load(actions=wrong)


@pytest.mark.parametrize(
    ("name", "good", "loaded", "bad"),
    [
        ("country", "gb", "GB", "UK"),
        ("locale", "pt-BR", "pt-BR", "Portuguese (Brazil)"),
        ("timezone", "Europe/London", "Europe/London", "../../etc/passwd"),
        ("api_version", "62.0", "62.0", "62.0/../x"),
        ("feed_minutes", "30", 30, 1),
        ("username", "connector@acme.example", "connector@acme.example", "nobody"),
        ("client_id", "abc", "abc", "a b"),
    ],
)
def test_other_settings_are_checked(name: str, good: Any, loaded: Any, bad: Any) -> None:
    assert load(**{"my_domain": "acme.my", name: good})[name] == loaded
    with pytest.raises(ValidationError) as refused:
        load(**{"my_domain": "acme.my", name: bad})
    assert list(refused.value.messages_dict) == [name]


def test_what_was_loaded_once_loads_again_to_the_same() -> None:
    settings = SalesforceSettings().load(GIVEN | {"actions": {"04k5g000000TyUi": "case.closed"}})
    assert SalesforceSettings().load(dict(settings)) == settings


# ids


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("00D5g000004AbCd", "00D5g000004AbCdEAK"),
        ("000000000000000", "000000000000000AAA"),
        ("ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNO555"),
        ("aBcDeFgHiJkLmNo", "aBcDeFgHiJkLmNoKVK"),
    ],
)
def test_an_id_of_15_characters_gets_its_suffix(short: str, whole: str) -> None:
    assert long_id(short) == whole
    assert long_id(whole) == whole


@settings(deadline=None)
@given(st.text(CHARACTERS, min_size=15, max_size=15))
def test_a_suffix_tells_the_case_of_every_letter(short: str) -> None:
    told = suffix(short)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    capitals = [bool(letters.index(told[place // 5]) >> place % 5 & 1) for place in range(15)]
    restored = "".join(c.upper() if big else c for c, big in zip(short.lower(), capitals, strict=True))
    assert restored == short
    assert same_id(short, short + told)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_nothing_but_letters_and_digits_is_an_id(text: str) -> None:
    found = long_id(text)
    assert bool(found) == is_id(text) == (len(text) in (15, 18) and all(c in CHARACTERS for c in text))


@pytest.mark.parametrize("bad", ["//evil.example/x", "../../x", "003000000000/x1", "0030000000000\n1", "", "'" * 15])
def test_an_id_that_would_lead_elsewhere_is_none(bad: str) -> None:
    assert long_id(bad) == ""
    assert object_of(bad) == ""
    assert not same_id(bad, bad)
    assert not is_name(bad)


def test_ids_are_compared_with_regard_to_case() -> None:
    assert not same_id("00D5g000004AbCd", "00D5g000004Abcd")
    assert not same_id("00D5g000004AbCd", "00D5g000004AbCe")


def test_a_prefix_tells_the_object() -> None:
    assert object_of("0035g00000QwErT") == "Contact"
    assert object_of("a0B5g000001XyZw") == ""
