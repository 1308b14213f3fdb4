from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.errors import ConfigurationError, MappingError
from connector.flow import publish
from connector.model import Part, now
from connector.store import Store, mappings, templates
from connector.store import accounts as rows
from connector.store.accounts import AccountRow
from connector.store.mappings import TemplateUse
from tests.toys import PAID, RECIPE, SHIPPED, ToyRegistry

NAME = "toys/order_paid"
REGISTRY = ToyRegistry()
LONGER = RECIPE.replace("'there'", "'dear customer'")


def _account(name: str, adapter: str) -> AccountRow:
    at = now()
    return AccountRow(
        id=f"id-{name}", adapter=adapter, name=name, token=name, settings={}, secrets="", created_at=at, updated_at=at
    )


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    with sqlite_store.write() as tx:
        rows.add(tx, _account("main", "toyshop"))
        rows.add(tx, _account("line", "toyline"))
        rows.add(tx, _account("gone", "uninstalled"))
        templates.upsert_all(tx, "id-line", [PAID, SHIPPED], now())
    return sqlite_store


def _faults(store: Store | None, source: str) -> list[str]:
    return list(map(str, publish.find_faults(store, REGISTRY, NAME, source)))


def _version(store: Store, number: int) -> Any:
    with store.read() as tx:
        return mappings.version(tx, NAME, number)


def _in_force(store: Store) -> list[int]:
    with store.read() as tx:
        return [version.version for version in mappings.in_force(tx)]


def test_a_sound_mapping_has_no_faults(store: Store) -> None:
    assert _faults(store, RECIPE) == []
    assert _faults(None, RECIPE) == []


def test_faults_of_form_are_found_without_a_store() -> None:
    faults = _faults(None, RECIPE.replace("title", "titel").replace("{{ name }}", "{{ name"))
    assert len(faults) >= 3
    assert any(fault.startswith("slots.body.2: ") for fault in faults)


def test_fields_are_checked_without_a_store_and_templates_are_not() -> None:
    source = RECIPE.replace("{{ name }}", "{{ nmae }}").replace('name = "order_paid"', 'name = "unheard_of"')
    assert [fault.partition(":")[0] for fault in _faults(None, source)] == ["slots.body.2"]


def test_templates_are_checked_against_the_account_that_sends(store: Store) -> None:
    assert [fault.partition(":")[0] for fault in _faults(store, RECIPE.replace("order_paid", "unheard_of"))] == [
        "template.name"
    ]
    assert any("slots.body.3" in fault for fault in _faults(store, RECIPE + 'body.3 = "x"\n'))
    assert any("paused" in fault for fault in _faults(store, RECIPE.replace("order_paid", "shipped")))


def test_an_account_that_cannot_be_told_hides_no_other_fault_and_adds_none(store: Store) -> None:
    with store.write() as tx:
        rows.add(tx, _account("second-line", "toyline"))
    faults = _faults(store, RECIPE.replace("{{ name }}", "{{ nmae }}"))
    assert [fault.partition(":")[0] for fault in faults] == ["slots.body.2", "template.account"]
    named = RECIPE.replace('name = "order_paid"', 'account = "line"\nname = "order_paid"')
    assert _faults(store, named) == []


def test_an_adapter_that_is_not_installed_is_a_fault(store: Store) -> None:
    faults = _faults(store, RECIPE.replace("toyshop", "toyshp"))
    assert len(faults) == 1
    assert faults[0].startswith("when.adapter: There is no adapter 'toyshp'")


def test_an_adapter_that_declares_no_topics_takes_any_event_and_any_field(store: Store) -> None:
    source = RECIPE.replace("toyshop", "toyany").replace("order.paid", "bike.repaired")
    source = source.replace("{{ name }}", "{{ bike.name }}") + '[timing]\ncancel_when = ["bike.sold"]\n'
    assert _faults(store, source) == []
    assert _faults(store, source.replace("order_paid", "unheard_of")) != []


def test_publishing_keeps_the_text_the_note_and_the_shapes_of_its_templates(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    assert publish.publish(store, REGISTRY, NAME, note="first") == publish.Published(1, is_new=True)
    version = _version(store, 1)
    assert (version.source, version.note) == (RECIPE, "first")
    assert version.templates == (TemplateUse("id-line", "order_paid", "en", PAID.fingerprint, "utility"),)


def test_every_language_that_may_be_chosen_is_kept(store: Store) -> None:
    german = replace(PAID, language="de", parts=(Part(kind="body", text="Hallo {{1}}, {{2}}", prefix="body"),))
    french = replace(PAID, language="fr")
    with store.write() as tx:
        templates.upsert_all(tx, "id-line", [german, french], now(), partial=True)
    table = 'language = { choose = "{{ name }}", map = { de = "de" }, default = "en" }'
    publish.save(store, NAME, RECIPE.replace('language = "en"', table))
    publish.publish(store, REGISTRY, NAME)
    assert {(use.language, use.fingerprint) for use in _version(store, 1).templates} == {
        ("en", PAID.fingerprint),
        ("de", german.fingerprint),
    }


def test_publishing_the_same_again_makes_no_version(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    publish.publish(store, REGISTRY, NAME)
    assert publish.publish(store, REGISTRY, NAME) == publish.Published(1, is_new=False)
    assert _in_force(store) == [1]


def test_a_template_of_another_shape_makes_a_new_version_of_the_same_text(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    publish.publish(store, REGISTRY, NAME)
    edited = replace(PAID, parts=(Part(kind="body", text="Hi {{1}}: {{2}}", prefix="body"),))
    with store.write() as tx:
        templates.upsert_all(tx, "id-line", [edited], now(), partial=True)
    assert publish.publish(store, REGISTRY, NAME) == publish.Published(2, is_new=True)


def test_a_faulty_draft_is_not_published_and_what_is_in_force_stays(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    publish.publish(store, REGISTRY, NAME)
    publish.save(store, NAME, RECIPE.replace("{{ name }}", "{{ nmae }}") + 'body.3 = "x"\n')
    with pytest.raises(MappingError) as caught:
        publish.publish(store, REGISTRY, NAME)
    assert {fault.path for fault in caught.value.faults} == {"slots.body.2", "slots.body.3"}
    assert _in_force(store) == [1]


def test_a_text_that_is_no_mapping_is_not_stored(store: Store) -> None:
    with pytest.raises(MappingError):
        publish.save(store, NAME, "title = ")
    with pytest.raises(ConfigurationError, match=r"no mapping named 'toys/order_paid'; there is none yet"):
        publish.publish(store, REGISTRY, NAME)


def test_rolling_back_puts_the_old_text_in_force_as_a_new_version(store: Store) -> None:
    for source in (RECIPE, LONGER):
        publish.save(store, NAME, source)
        publish.publish(store, REGISTRY, NAME)
    assert publish.roll_back(store, REGISTRY, NAME, 1, note="too long") == 3
    version = _version(store, 3)
    assert (version.source, version.note) == (RECIPE, "Back to version 1. too long")
    assert _in_force(store) == [3]
    assert publish.diff(store, NAME) == ()


def test_rolling_back_leaves_a_draft_that_somebody_works_on(store: Store) -> None:
    for source in (RECIPE, LONGER):
        publish.save(store, NAME, source)
        publish.publish(store, REGISTRY, NAME)
    work = RECIPE.replace("'there'", "'friend'")
    publish.save(store, NAME, work)
    publish.roll_back(store, REGISTRY, NAME, 1)
    assert publish.text(store, NAME) == work


def test_an_old_text_is_checked_before_it_is_in_force_again(store: Store) -> None:
    for source in (RECIPE, LONGER):
        publish.save(store, NAME, source)
        publish.publish(store, REGISTRY, NAME)
    with store.write() as tx:
        templates.upsert_all(tx, "id-line", [SHIPPED], now())
    with pytest.raises(MappingError, match="order_paid"):
        publish.roll_back(store, REGISTRY, NAME, 1)
    assert _in_force(store) == [2]
    with pytest.raises(ConfigurationError, match="has no version 7; there are: 2, 1"):
        publish.roll_back(store, REGISTRY, NAME, 7)


def test_diffs_compare_drafts_and_versions(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    publish.publish(store, REGISTRY, NAME)
    publish.save(store, NAME, LONGER)
    expected = (
        "--- toys/order_paid v1",
        "+++ toys/order_paid draft",
        "-body.1 = \"{{ customer.first_name | default: 'there' }}\"",
        "+body.1 = \"{{ customer.first_name | default: 'dear customer' }}\"",
    )
    lines = publish.diff(store, NAME)
    assert tuple(line for line in lines if line[0] in "+-") == expected
    assert publish.diff(store, NAME, "1", "draft") == lines
    assert publish.diff(store, NAME, "v1", "published") == ()
    for which in ("0", "x", "v", "٣", "9" * 30):
        with pytest.raises(ConfigurationError):
            publish.diff(store, NAME, which)


def test_what_is_not_published_cannot_be_compared_with(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    with pytest.raises(ConfigurationError, match="is not published"):
        publish.diff(store, NAME)


def test_an_unpublished_mapping_is_out_of_force(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    publish.publish(store, REGISTRY, NAME)
    assert publish.unpublish(store, NAME)
    assert not publish.unpublish(store, NAME)
    assert _in_force(store) == []
    assert publish.publish(store, REGISTRY, NAME) == publish.Published(2, is_new=True)


def test_an_unknown_name_is_answered_with_the_nearest(store: Store) -> None:
    publish.save(store, NAME, RECIPE)
    with pytest.raises(ConfigurationError, match="no mapping named 'order_paid'; there is toys/order_paid"):
        publish.publish(store, REGISTRY, "order_paid")
