from typing import Any

import pytest

from connector.errors import MappingError
from connector.mapping import load
from connector.mapping.rules import Rule
from connector.model import ConsentState, Purpose
from tests.mapping.examples import SOURCE


def rules(text: str) -> tuple[Rule, ...]:
    return load("a", SOURCE + text).after


def faults(text: str) -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        load("a", SOURCE + text)
    return {fault.path: fault.words for fault in caught.value.faults}


def test_a_rule_is_read_whole() -> None:
    (rule,) = rules("""
[[after]]
on = "button"
payload = "marketing:stop"
consent = { marketing = "revoked", utility = "granted" }
wording = "Stop, please"
add_labels = ["silent"]
remove_labels = ["fan"]
record = "order"
add_tags = ["wa-stop"]
remove_tags = ["wa-yes"]
set_fields = { "metafield:custom.wa" = "stop", Count__c = 3, Open__c = false }
cancel_others = true
answer = "Done, {{ customer.first_name }}."
""")
    assert rule.consent == {Purpose.MARKETING: ConsentState.REVOKED, Purpose.UTILITY: ConsentState.GRANTED}
    assert (rule.on, rule.payload, rule.wording, rule.record) == ("button", "marketing:stop", "Stop, please", "order")
    assert (rule.add_labels, rule.remove_labels) == (("silent",), ("fan",))
    assert (rule.add_tags, rule.remove_tags) == (("wa-stop",), ("wa-yes",))
    assert rule.set_fields == {"metafield:custom.wa": "stop", "Count__c": 3, "Open__c": False}
    assert rule.cancel_others
    assert rule.answer
    assert ("customer", "first_name") in rule.answer.paths


def test_rules_keep_their_order() -> None:
    found = rules('[[after]]\non = "read"\nadd_labels = ["a"]\n[[after]]\non = "delivered"\nadd_labels = ["b"]\n')
    assert [rule.on for rule in found] == ["read", "delivered"]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('on = "buton"', "after.0.on", "did you mean 'button'?"),
        ('on = "read"', "after.0", "does nothing"),
        ('on = "read"\nadd_lables = ["x"]', "after.0.add_lables", "did you mean 'add_labels'?"),
        ('on = "read"\npayload = "x"\ncancel_others = true', "after.0.payload", "on = 'button' only"),
        ('on = "read"\nconsent = { marketng = "revoked" }', "after.0.consent.marketng", "did you mean 'marketing'?"),
        ('on = "read"\nconsent = { marketing = "maybe" }', "after.0.consent.marketing", "'granted' or 'revoked'"),
        ('on = "read"\nadd_tags = ["a, b"]', "after.0.add_tags.0", "tear it in two"),
        ('on = "read"\nadd_labels = ["a"]\nwording = "x"', "after.0.wording", "changes no consent"),
        ('on = "read"\nadd_labels = ["a"]\nrecord = "order"', "after.0.record", "there is none of them"),
        ('on = "read"\nadd_labels = ["a"]\nremove_labels = ["a"]', "after.0.remove_labels", "what is added: a"),
        ('on = "read"\nset_fields = { At__c = 2026-11-22 }', "after.0.set_fields.At__c", "must be a text"),
        ('on = "replied"\nanswer = "{{ x | moeny }}"', "after.0.answer", "did you mean 'money'?"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_its_path(text: str, path: str, words: str) -> None:
    assert words in faults(f"[[after]]\n{text}\n")[path]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('[timing]\nquiet = "21-9"', "timing.quiet"),
        ("[timing]\nquiet = true", "timing.quiet"),
        ('[timing]\ncap = ["1 per 1d", "0 per 1d"]', "timing.cap.1"),
        ('[timing]\nbefore = "1d"', "timing.before"),
        ('[timing]\nat = "{{ x"', "timing.at"),
    ],
)
def test_moments_and_pace_are_checked(line: str, path: str) -> None:
    assert path in faults(line + "\n")


def test_ground_and_once_per_are_read_and_checked() -> None:
    source = SOURCE.replace("[to]", 'once_per = "{{ name }}"\n[to]\nground = "consent"')
    found = load("a", source)
    assert found.to.ground == "consent"
    assert found.when.once_per
    assert found.when.once_per.source == "{{ name }}"
    with pytest.raises(MappingError, match="did you mean 'consent'"):
        load("a", source.replace('"consent"', '"consnt"'))


def test_a_cap_stands_alone_or_in_a_list() -> None:
    one: Any = load("a", SOURCE + '[timing]\ncap = "1  per 7d"\n').timing.cap
    assert one == ("1 per 7d",)
    assert load("a", SOURCE + '[timing]\ncap = ["1 per 7d", "3 per 30d"]\n').timing.cap == ("1 per 7d", "3 per 30d")
