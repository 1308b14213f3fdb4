"""What shops and CRMs tell of people, taken in; and what their records are to hold by then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.model import Identity, Key, KeyKind, Purpose
from connector.store import Store
from tests.flow.world import ANN, AT, BEN, CRM, SHOP, World

CUSTOMER = """
kind = "contact"
title = "Customers"
adapter = "toyshop"
object = "customer"
[[records]]
events = ["customer.saved", "consent.updated", "tags.added", "tags.removed"]
id = "id"
[[fields]]
contact = "phone"
in = ["phone"]
region = ["account.country"]
[[fields]]
contact = "consent.marketing"
vendor = "whatsapp"
direction = "both"
events = ["consent.updated"]
in = ["state"]
values = { SUBSCRIBED = "granted", UNSUBSCRIBED = "revoked", PENDING = "pending", NEVER = "unknown" }
at = "updated_at"
place = "the shop's form"
[[fields]]
contact = "labels.added"
events = ["tags.added"]
in = ["tags"]
[[fields]]
contact = "labels.removed"
events = ["tags.removed"]
in = ["tags"]
[[fields]]
contact = "labels"
vendor = "tags"
direction = "out"
"""
CONTACT = """
kind = "contact"
title = "Contacts"
adapter = "toycrm"
object = "Contact"
[[records]]
events = ["contact.saved"]
id = "Id"
[[fields]]
contact = "phone"
in = ["Phone"]
region = ["account.country"]
[[fields]]
contact = "name"
in = ["Name"]
[[fields]]
contact = "consent.marketing"
vendor = "Status"
direction = "both"
values = { "Opted in" = "granted", "Opted out" = "revoked", Unknown = "unknown" }
at = "Status_At"
source = "Status_Source"
write_at = "Status_At"
write_source = "Status_Source"
[[fields]]
contact = "labels"
vendor = "Labels"
direction = "both"
separator = ";"
[[fields]]
contact = "wa_id"
vendor = "WhatsApp_Id"
direction = "out"
"""


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    made.publish("shop/contact", CUSTOMER)
    made.publish("crm/contact", CONTACT)
    return made


def contact(world: World, id_: str = "003A", *, ago: float = 0, **fields: Any) -> None:
    """The CRM saves a contact: Ann's, unless told otherwise."""
    told = {"Phone": ANN} | fields
    world.event("contact.saved", f"Contact:{id_}", account=CRM, ago=ago, Id=id_, **told)
    world.work()


def customer(world: World, type_: str, id_: int = 1, *, ago: float = 0, **fields: Any) -> None:
    """The shop tells of a customer: Ann, unless told otherwise."""
    world.event(type_, f"customer:{id_}", ago=ago, id=id_, **({"phone": ANN} | fields))
    world.work()


def consent(world: World, state: str, id_: int = 1, *, ago: float = 0, **fields: Any) -> None:
    at = (AT - timedelta(minutes=ago)).isoformat()
    customer(world, "consent.updated", id_, ago=ago, state=state, updated_at=at, **fields)


def opted_in(minutes: float) -> dict[str, str]:
    at = (AT - timedelta(minutes=minutes)).isoformat()
    return {"Status": "Opted in", "Status_At": at, "Status_Source": "till"}


class TestConsent:
    def test_a_shops_grant_is_entered_with_its_evidence(self, world: World) -> None:
        consent(world, "SUBSCRIBED", ago=9)

        assert world.standing() == "granted"
        (entry,) = world.entries()
        assert (entry.source, entry.account_id, entry.record) == ("shop", SHOP, "customer:1")
        assert (entry.place, entry.wording, entry.actor) == ("the shop's form", "whatsapp = SUBSCRIBED", "shop")
        assert (entry.dated, entry.occurred_at) == (True, AT - timedelta(minutes=9))
        assert entry.evidence.startswith("event ")
        assert world.wanted() == {}, "it stands there already"

    @pytest.mark.parametrize(
        ("state", "standing"), [("UNSUBSCRIBED", "revoked"), ("PENDING", "pending"), ("NEVER", "unknown")]
    )
    def test_its_other_states_say_what_they_say(self, world: World, state: str, standing: str) -> None:
        consent(world, state)

        assert (world.standing(), world.standing(purpose=Purpose.UTILITY)) == (standing, "unknown")
        assert world.wanted() == {}

    @pytest.mark.parametrize("late", ["SUBSCRIBED", "UNSUBSCRIBED"])
    def test_what_comes_out_of_order_ends_as_it_was_said(self, world: World, late: str) -> None:
        newest = {"SUBSCRIBED": "UNSUBSCRIBED", "UNSUBSCRIBED": "SUBSCRIBED"}[late]
        consent(world, newest, ago=1)
        consent(world, late, ago=9)

        assert world.standing() == {"SUBSCRIBED": "granted", "UNSUBSCRIBED": "revoked"}[newest]

    def test_a_grant_older_than_what_the_person_said_is_set_right(self, world: World) -> None:
        world.reply("STOP", ago=5)
        world.work()
        consent(world, "SUBSCRIBED", ago=9)

        assert world.standing() == "revoked"
        assert world.field(SHOP, "customer", "1", "whatsapp") == "UNSUBSCRIBED"

    def test_a_newer_grant_counts(self, world: World) -> None:
        world.reply("STOP", ago=5)
        world.work()
        consent(world, "SUBSCRIBED", ago=1)

        assert world.standing() == "granted"
        assert world.field(SHOP, "customer", "1", "whatsapp") is None

    def test_a_grant_without_a_source_does_not_count_and_is_left_as_the_human_put_it(self, world: World) -> None:
        contact(world, **opted_in(3) | {"Status_Source": None})

        assert world.standing() == "unknown"
        assert [(entry.state, entry.place) for entry in world.entries()] == [("granted", "")]
        assert world.wanted() == {}

    def test_an_undated_grant_never_wins_over_a_stop(self, world: World) -> None:
        world.reply("STOP", ago=60)
        world.work()
        contact(world, Status="Opted in", Status_Source="till")

        assert world.standing() == "revoked"
        assert {entry.source: entry.dated for entry in world.entries()} == {"keyword": True, "crm": False}
        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"

    def test_an_absent_field_is_not_a_cleared_one(self, world: World) -> None:
        contact(world, **opted_in(9))
        contact(world, Name="Ann")

        assert world.standing() == "granted"
        assert len(world.entries()) == 1

    @pytest.mark.parametrize("blank", [None, "", "Perhaps"])
    def test_a_blank_or_unnamed_value_says_nothing(self, world: World, blank: Any) -> None:
        contact(world, **opted_in(9))
        contact(world, Status=blank)

        assert world.standing() == "granted"

    def test_a_third_state_takes_nothing_away(self, world: World) -> None:
        contact(world, **opted_in(9))
        contact(world, Status="Unknown", Status_Source="till")

        assert world.standing() == "granted"

    def test_the_crms_own_words_about_it_are_not_written_back_to_it(self, world: World) -> None:
        contact(world, **opted_in(9))

        assert world.standing() == "granted"
        assert world.wanted() == {}

    def test_what_one_says_the_other_is_to_hold(self, world: World) -> None:
        contact(world, **opted_in(9))
        customer(world, "customer.saved")
        assert world.wanted() == {(SHOP, "customer", "1", "whatsapp"): "SUBSCRIBED"}
        world.write_back()

        consent(world, "UNSUBSCRIBED", ago=1)
        at = (AT - timedelta(minutes=1)).isoformat(timespec="milliseconds")
        assert world.wanted() == {
            (CRM, "Contact", "003A", "Status"): "Opted out",
            (CRM, "Contact", "003A", "Status_At"): at,
            (CRM, "Contact", "003A", "Status_Source"): "the shop's form",
        }


class TestWhoWins:
    def publish(self, world: World, wins: str) -> None:
        world.publish("crm/contact", CONTACT.replace('write_at = "', f'wins = "{wins}"\nwrite_at = "'))

    def test_where_ours_win_what_is_known_stays(self, world: World) -> None:
        self.publish(world, "ours")
        world.reply("STOP", ago=9)
        world.work()
        contact(world, **opted_in(1))

        assert world.standing() == "revoked"
        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"

    def test_and_what_is_not_known_is_taken(self, world: World) -> None:
        self.publish(world, "ours")
        contact(world, **opted_in(1))

        assert world.standing() == "granted"

    def test_where_theirs_win_their_stop_counts_from_when_it_is_known(self, world: World) -> None:
        self.publish(world, "theirs")
        world.reply("START", ago=1)
        world.work()
        contact(world, Status="Opted out", Status_At=(AT - timedelta(days=9)).isoformat(), Status_Source="till")

        assert world.standing() == "revoked"

    def test_and_yet_the_persons_own_stop_wins_over_an_older_grant(self, world: World) -> None:
        self.publish(world, "theirs")
        world.reply("STOP", ago=1)
        world.work()
        contact(world, **opted_in(9))

        assert world.standing() == "revoked"


class TestEchoes:
    @pytest.fixture
    def written(self, world: World) -> World:
        contact(world, **opted_in(90))
        world.reply("STOP", ago=60)
        world.work()
        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"
        world.write_back()
        return world

    def test_what_we_wrote_ourselves_is_no_news_even_with_a_later_time(self, written: World) -> None:
        before = len(written.entries())
        later = (AT + timedelta(minutes=1)).isoformat()
        contact(written, Status="Opted out", Status_At=later, Status_Source="WhatsApp: keyword")

        assert len(written.entries()) == before
        assert written.wanted() == {}

    def test_and_so_it_does_not_outlive_what_the_person_says_next(self, written: World) -> None:
        written.reply("START", ago=30)
        written.work()
        contact(written, Status="Opted out", Status_At=AT.isoformat(), Status_Source="WhatsApp: keyword")

        assert written.standing() == "granted"
        assert written.field(CRM, "Contact", "003A", "Status") == "Opted in"

    def test_what_a_human_changes_then_is_news(self, written: World) -> None:
        contact(written, **opted_in(5))

        assert written.standing() == "granted"
        assert written.wanted() == {}


class TestLifting:
    def test_that_a_stop_was_lifted_is_written_where_the_stop_was(self, world: World) -> None:
        contact(world)
        world.prefers("stop", ago=9)
        world.work()
        world.write_back()
        world.prefers("resume", ago=5)
        world.work()

        assert world.standing() == "unknown"
        assert world.field(CRM, "Contact", "003A", "Status") == "Unknown"

    def test_and_where_it_was_to_be(self, world: World) -> None:
        contact(world)
        world.prefers("stop", ago=9)
        world.work()
        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"
        world.prefers("resume", ago=5)
        world.work()

        assert world.field(CRM, "Contact", "003A", "Status") == "Unknown"

    def test_and_nowhere_else(self, world: World) -> None:
        world.prefers("stop", ago=9)
        world.prefers("resume", ago=5)
        world.work()
        contact(world)

        assert world.field(CRM, "Contact", "003A", "Status") is None


class TestLabels:
    def test_tags_come_and_go_by_what_an_event_tells(self, world: World) -> None:
        customer(world, "tags.added", tags=["VIP", "wholesale"])
        assert world.labels() == {"VIP", "wholesale"}
        customer(world, "tags.removed", tags=["vip"])

        assert world.labels() == {"wholesale"}

    def test_of_a_whole_value_what_is_no_more_there_is_gone(self, world: World) -> None:
        contact(world, Labels="vip;gold")
        assert world.labels() == {"vip", "gold"}
        contact(world, Labels="gold")
        assert world.labels() == {"gold"}
        contact(world, Labels=None)

        assert world.labels() == set()

    def test_an_absent_value_is_not_an_empty_one(self, world: World) -> None:
        contact(world, Labels="vip")
        contact(world)

        assert world.labels() == {"vip"}

    def test_what_is_put_on_here_is_put_on_there_and_its_echo_ends_it(self, world: World) -> None:
        contact(world, Labels="vip")
        customer(world, "customer.saved")
        assert world.wanted() == {(SHOP, "customer", "1", "tags", "vip"): True}
        world.write_back()
        customer(world, "tags.added", tags=["vip"])

        assert world.wanted() == {}
        customer(world, "tags.removed", tags=["vip"])
        assert world.labels() == set()
        assert world.wanted() == {(CRM, "Contact", "003A", "Labels", "vip"): False}

    def test_one_that_differs_in_case_alone_is_the_same_and_nothing_is_taken_off(self, world: World) -> None:
        contact(world, Labels="vip")
        world.write_back()
        customer(world, "tags.added", tags=["VIP"])

        assert world.labels() == {"vip"}
        assert all(value is True for value in world.wanted().values())

    def test_a_label_of_ours_that_a_record_puts_on_is_taken_off_there(self, world: World) -> None:
        policy(world, 'spam = "ours"')
        contact(world, Labels="spam;vip")

        assert world.labels() == {"vip"}
        assert world.wanted() == {(CRM, "Contact", "003A", "Labels", "spam"): False}

    def test_a_label_of_ours_that_a_record_takes_off_is_put_on_there_again(self, world: World) -> None:
        policy(world, 'whatsapp-unclear = "ours"')
        contact(world)
        world.reply("no thanks")
        world.work()
        world.write_back()
        contact(world, Labels="")

        assert world.labels() == {"whatsapp-unclear"}
        assert world.wanted() == {(CRM, "Contact", "003A", "Labels", "whatsapp-unclear"): True}

    def test_a_label_of_theirs_is_never_written(self, world: World) -> None:
        policy(world, 'gold = "theirs"')
        contact(world, Labels="gold")
        customer(world, "customer.saved")

        assert world.labels() == {"gold"}
        assert world.wanted() == {}


def policy(world: World, labels: str) -> None:
    from importlib.resources import files

    source = files("mappings").joinpath("policy/people.toml").read_text("utf-8")
    world.publish("policy/people", source.replace("[labels]\n", f"[labels]\n{labels}\n"))


class TestPeople:
    def test_a_record_that_is_newly_met_gets_what_it_should_hold(self, world: World) -> None:
        world.reply("STOP", ago=9)
        world.reply("no thanks", ago=8)
        world.work()
        contact(world)

        at = (AT - timedelta(minutes=9)).isoformat(timespec="milliseconds")
        assert world.wanted() == {
            (CRM, "Contact", "003A", "Status"): "Opted out",
            (CRM, "Contact", "003A", "Status_At"): at,
            (CRM, "Contact", "003A", "Status_Source"): "WhatsApp: keyword",
            (CRM, "Contact", "003A", "Labels", "whatsapp-unclear"): True,
            (CRM, "Contact", "003A", "WhatsApp_Id"): ANN,
        }

    def test_a_record_without_a_number_gets_it_with_the_number(self, world: World) -> None:
        contact(world, Phone=None)
        world.reply("STOP", ago=9)
        world.work()
        assert world.wanted() == {}
        contact(world)

        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"

    def test_a_record_of_somebody_who_turns_out_to_have_stopped_gets_it_too(self, world: World) -> None:
        contact(world)
        world.reply("STOP", sender=Identity(user_id="GB.aaaa"))
        world.work()
        assert world.wanted() == {}
        world.reply("Hello", sender=Identity(phone=ANN, user_id="GB.aaaa"))
        world.work()

        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"

    def test_the_records_of_whoever_joins_somebody_who_stopped_get_it_too(self, world: World) -> None:
        world.reply("STOP", sender=Identity(user_id="GB.aaaa"), ago=9)
        world.work()
        contact(world)
        world.reply("Hello", sender=Identity(phone=ANN, user_id="GB.aaaa"))
        world.work()

        assert world.standing() == "revoked"
        assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"

    def test_two_records_that_share_a_phone_both_hold_what_one_of_them_said(self, world: World) -> None:
        contact(world, "003A")
        contact(world, "003B")
        world.reply("STOP")
        world.work()

        assert [world.field(CRM, "Contact", id_, "Status") for id_ in ("003A", "003B")] == ["Opted out"] * 2

    def test_a_record_that_moves_to_another_person_holds_theirs(self, world: World) -> None:
        contact(world, "003A")
        contact(world, "003B", Phone=BEN)
        world.reply("STOP")
        world.work()
        world.write_back()
        contact(world, "003B", Phone=ANN)

        assert world.who(Key(KeyKind.RECORD, "Contact:003B", CRM)) == world.who(ANN)
        assert world.field(CRM, "Contact", "003B", "Status") == "Opted out"

    def test_nothing_is_wanted_of_whom_nothing_is_known(self, world: World) -> None:
        contact(world)
        customer(world, "customer.saved")

        assert world.wanted() == {}

    def test_an_event_that_shows_nobody_is_passed_over(self, world: World) -> None:
        world.event("contact.saved", "Contact:", account=CRM, Name="Nobody", Status="Opted in")
        done = world.work()

        assert done.events == 1
        assert world.wanted() == {}

    def test_what_is_told_twice_is_entered_once(self, world: World) -> None:
        consent(world, "SUBSCRIBED", ago=9)
        consent(world, "SUBSCRIBED", ago=9)

        assert len(world.entries()) == 1
