from datetime import timedelta
from pathlib import Path
from re import search

import pytest

from connector.errors import MappingError
from connector.mapping import load
from tests.mapping.examples import SOURCE, mapping

ARCHITECTURE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")


def faults(source: str, name: str = "shopify/order_paid") -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        load(name, source)
    return {fault.path: fault.words for fault in caught.value.faults}


def test_the_form_in_the_documents_is_read_whole() -> None:
    found = search(r"```toml\n(.+?)```", ARCHITECTURE[ARCHITECTURE.index("The form of a notification mapping") :], 16)
    assert found
    read = load("shopify/order_paid", found[1])
    assert read.when.accounts == ("main-store",)
    assert [each.source for each in read.to.phone][-1] == "{{ customer.phone }}"
    assert list(read.slots) == ["body.1", "body.2", "body.3", "button.0.url"]
    assert (read.timing.delay, read.timing.expires) == (timedelta(minutes=10), timedelta(hours=12))
    assert (read.timing.cancel_when, read.timing.restart, read.timing.in_doubt) == (
        ("order.cancelled",),
        True,
        "resend",
    )
    assert read.source == found[1]


def test_the_language_table_of_the_documents_is_read() -> None:
    table = '{ choose = "{{ customer_locale }}", map = { de = "de", "pt-BR" = "pt_BR" }, default = "en" }'
    language = mapping(language=table).template.language
    assert language.all == ("en", "de", "pt_BR")


@pytest.mark.parametrize(
    ("printed", "language"),
    [("pt-BR", "pt_BR"), ("pt_br", "pt_BR"), ("PT-br", "pt_BR"), ("pt", "en"), ("pt-PT", "en"), ("de", "de"),
     ("de-AT", "de"), ("DE_ch", "de"), ("", "en"), ("klingon", "en")],
)  # fmt: skip
def test_a_language_is_matched_whole_first_then_by_its_language(printed: str, language: str) -> None:
    table = '{ choose = "{{ customer_locale }}", map = { de = "de", "pt-BR" = "pt_BR" }, default = "en" }'
    assert mapping(language=table).template.language.pick(printed) == language


def test_all_faults_of_a_file_are_told_at_once_each_with_its_path() -> None:
    found = faults(
        """
        titel = "x"
        slots = { body = { 1 = "{{ a | moeny }}", 2 = 5 }, "body.1" = "x", footer = {} }
        [when]
        evnt = "x"
        accounts = "x"
        [[when.conditions.all]]
        field = "{{ a }}"
        operator = "equals"
        [[when.conditions.all]]
        not = { field = "a", operator = "in", value = 3, vlue = 2 }
        [to]
        phone = ["{{ x", 5]
        agreement = ["_x"]
        [template]
        name = ""
        [template.language]
        choose = "{{ a }}"
        map = { de = "de", DE = "x" }
        [timing]
        delay = "10 minutes"
        expires = "0s"
        restart = "yes"
        in_doubt = "maybe"
        """
    )
    assert set(found) == {
        "title", "titel", "when.event", "when.adapter", "when.evnt", "when.accounts", "when.conditions.all.0.field",
        "when.conditions.all.0.operator", "when.conditions.all.1.not.value", "when.conditions.all.1.not.vlue",
        "to.phone.0", "to.phone.1", "to.agreement.0", "template.name", "template.language.default", "slots.body.1",
        "slots.body.2", "slots.footer", "timing.delay", "timing.expires", "timing.restart", "timing.in_doubt",
    }  # fmt: skip
    assert found["titel"] == "is not known here; did you mean 'title'?"
    assert found["when.evnt"] == "is not known here; did you mean 'event'?"
    assert found["when.conditions.all.1.not.vlue"] == "is not known here; did you mean 'value'?"


def test_the_same_language_twice_is_a_fault() -> None:
    table = '{ choose = "{{ a }}", map = { pt-br = "a", pt_BR = "b" }, default = "en" }'
    with pytest.raises(MappingError, match="are the same language"):
        mapping(language=table)


def test_broken_toml_is_told_with_its_line() -> None:
    assert "line 2" in faults('title = "x"\nwhen = \n')[""]


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "[" * 3000,
        "a = " + "9" * 5000,
        "a = 1" + "0" * 50_000,
        "a = 1979-13-01",
        "\ud800 = 1",
        "\x00",
        "a = 1e999999999999",
    ],
)
def test_toml_beyond_reason_is_a_fault_and_nothing_else(source: str) -> None:
    assert faults(source)


def test_a_file_over_64_kilobytes_is_refused() -> None:
    assert "65536" in faults(SOURCE + "#" + "é" * 33_000)[""]
    assert load("a", SOURCE + "#" + "x" * 60_000)


def test_deeply_dotted_slots_are_refused() -> None:
    assert any(path.startswith("slots.a.a") for path in faults(SOURCE.replace("body.1", "a." * 9000 + "b")))


def test_a_slot_given_in_two_ways_is_told() -> None:
    words = faults(SOURCE.replace("body.2 =", '"body.1" = "x"\nbody.2 ='))
    assert words == {"slots.body.1": "is given twice."}


@pytest.mark.parametrize("name", ["", "Order paid", "../x", "a//b", "/a", "x" * 101])
def test_a_name_that_is_no_path_is_refused(name: str) -> None:
    assert "small letters" in faults(SOURCE, name)[""]


@pytest.mark.parametrize("line", ["when = 5", "to = []", "template = 'x'", "timing = 1", "slots = 2"])
def test_a_table_that_is_something_else_is_told_as_such(line: str) -> None:
    assert faults(f"title = 'x'\n{line}")[line.split()[0]] == "must be a table."


def test_a_duration_beyond_a_year_is_refused() -> None:
    assert "365 days" in faults(SOURCE + "[timing]\ndelay = '366d'")["timing.delay"]


def test_a_mapping_wants_events_of_its_type_adapter_and_accounts() -> None:
    example = load("a", SOURCE.replace('adapter = "shopify"', 'adapter = "shopify"\naccounts = ["a", "b"]'))
    assert example.wants(adapter="shopify", event="order.paid", account="b")
    assert not example.wants(adapter="shopify", event="order.paid", account="c")
    assert not example.wants(adapter="webhook", event="order.paid", account="a")
    assert not example.wants(adapter="shopify", event="order.created", account="a")
