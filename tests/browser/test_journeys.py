"""The three journeys: from the first start to the first message, from a field to the phone, from an order to why."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from connector.model import State
from connector.sandbox.deliveries import Mix
from connector.store import look
from connector.store.views import EventFilter, MessageFilter
from tests.browser.conftest import OpenWindow, Window
from tests.browser.town import PASSWORD, Town, found
from tests.stories.conftest import OpenStage
from tests.stories.kit import Stage


@pytest.fixture
def town(open_stage: OpenStage, open_window: OpenWindow) -> Town:
    return found(open_stage(latency_ms=20, receipt_ms=100), open_window)


def last_slots(stage: Stage) -> dict[str, str]:
    """What the newest message said."""
    with stage.store.read() as tx:
        row = look.list_messages(tx, MessageFilter(), most=1)[0]
    return dict(row.slots)


def test_whoever_starts_it_comes_to_a_first_message_by_clicks_alone(
    open_stage: OpenStage, open_window: OpenWindow
) -> None:
    stage = open_stage()
    stage.run("--sandbox")
    printed = stage.until("where to begin", lambda: re.search(r"http://\S+/setup\?token=\S+", stage.log.read_text()))
    window = open_window(f"http://127.0.0.1:{stage.port}")
    page = window.page

    window.go(printed[0])
    window.keep("start-1-setup")
    page.get_by_label("Your name").fill("Owner")
    page.get_by_label("E-mail").fill("owner@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same once more").fill(PASSWORD)
    page.get_by_role("button", name="Create the owner").click()
    page.wait_for_url(lambda url: "/setup" not in url)

    window.go("/start")
    here = page.locator(".start-next")
    window.keep("start-2-checklist")
    window.press(here.get_by_role("button", name="Use the sandbox"))
    window.go("/start")
    here.get_by_role("button", name=re.compile("Use the recipe .*[Oo]rder paid")).click()
    page.wait_for_url(lambda url: "/edit" in url)
    window.keep("start-3-editor")
    for _ in range(4):  # whatever the checklist says is next, until a message is on its way
        window.go("/start")
        heading = here.locator("h2").inner_text()
        if "first message" in heading:
            break
        step(window, heading)
    window.keep("start-4-almost")
    here.get_by_role("button").first.click()
    expect(page.locator("h1")).to_contain_text("You have started")
    window.keep("start-5-done")
    page.get_by_role("link", name="Show it").click()
    page.wait_for_url(lambda url: "/messages/" in url)
    expect(page.locator("main")).to_contain_text("order_paid")
    window.keep("start-6-message")
    assert window.wrong == []


def step(window: Window, heading: str) -> None:
    """Do what a step of the checklist asks for."""
    page = window.page
    window.press(page.locator(".start-next a.btn-primary"))
    if "test" in heading:
        page.get_by_label("Number", exact=True).fill("+447400123456")
        page.get_by_label("Whose phone").fill("The owner's phone")
        page.get_by_label(re.compile("It is mine")).check()
        window.press(page.get_by_role("button", name="Put it on the list"))
        window.press(page.get_by_role("button", name="Send the test"))
        expect(page.locator(".said")).to_contain_text("on its way")
    elif "Publish" in heading:
        window.press(page.get_by_role("button", name=re.compile("^Publish")))
        expect(page.locator(".said")).to_contain_text("is in force")


def test_an_editor_maps_a_field_sees_it_live_and_it_is_what_is_sent(town: Town) -> None:
    window = town.open(town.add("editor"), width=1600)
    page = window.page
    window.go("/mappings/shopify/order_paid/edit")
    box = page.locator("[data-slot='body.1']")
    screen = page.locator("#phone")
    expect(screen).to_contain_text("your payment of")
    window.keep("editor-before")

    # typed by hand: each keystroke is on the phone, whatever the buyer calls themselves
    (first,) = re.findall(r"Hi (.+?), your payment of", screen.inner_text())
    box.fill("Dear " + box.input_value())
    expect(screen).to_contain_text(f"Hi Dear {first}, your payment of")
    box.fill("Dear {{ 'friend' | upcase }}")
    expect(screen).to_contain_text("Hi Dear FRIEND, your payment of")
    expect(page.locator("#unsaved")).to_have_text("Changes are not saved yet")

    # a field is inserted at the cursor by keyboard alone
    box.fill("No. ")
    box.press("End")
    page.locator("#find-field, [name=find]").first.fill("order number")
    page.get_by_role("button", name=re.compile("order number", re.IGNORECASE)).first.press("Enter")
    expect(box).to_have_value(re.compile(r"No\. \{\{ order_number \}\}"))
    expect(screen).to_contain_text(re.compile(r"Hi No\. \d+,"))

    # what is broken is told beside it, with what to do
    box.fill("{{ customer.first_nme }}")
    page.locator("h1").click()
    expect(page.locator("#slot-body\\.1 .fault, [data-at='slots.body.1'] .fault").first).to_contain_text("first_name")
    window.keep("editor-fault")

    box.fill("No. {{ order_number }}")
    expect(screen).to_contain_text(re.compile(r"Hi No\. \d+,"))
    window.keep("editor-live")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".said")).to_contain_text("Draft saved")
    page.wait_for_load_state()
    assert window.grave() == []

    # nothing has changed for customers before it is published
    window.go("/mappings/shopify/order_paid/publish")
    expect(page.locator("main")).to_contain_text("order_number")
    window.keep("publish")
    page.get_by_label(re.compile("Why")).fill("the number instead of the name")
    window.press(page.get_by_role("button", name=re.compile("^Publish")))
    expect(page.locator(".said")).to_contain_text("Version 2")

    before = town.stage.counts().messages[State.READ]
    town.stage.post(Mix(total=1, unusable=0, topics=("orders/paid",)), seed=99)
    town.stage.until("one more is read", lambda: town.stage.counts().messages[State.READ] > before)
    assert re.fullmatch(r"No\. \d+", last_slots(town.stage)["body.1"])
    assert window.wrong == []


def test_an_admin_finds_out_why_an_order_was_written_about_and_another_was_not(town: Town) -> None:
    with town.stage.store.read() as tx:
        sent = min(look.list_messages(tx, MessageFilter()), key=lambda row: row.label)
        skipped = min(look.list_events(tx, EventFilter(verdict="skip")), key=lambda row: row.label)
    window = town.open(town.add("admin"))
    page = window.page

    page.get_by_role("searchbox", name=re.compile("Find")).fill(sent.label)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/why" in url)
    main = page.locator("main")
    expect(main).to_contain_text("order_paid")
    for gate in ("conditions", "recipient", "template", "consent"):
        expect(main).to_contain_text(gate)
    expect(main.locator(".chain .end").first).to_have_text("message read")
    window.keep("why-sent", whole=True)
    assert window.grave() == []

    window.go(f"/why?q={skipped.label.replace('#', '%23')}")
    expect(main).to_contain_text("The phone was there, but the sender had hidden some of its digits.")
    window.keep("why-skipped", whole=True)

    window.go("/why?q=%23999999")
    expect(main).to_contain_text("Nothing is known of that")
    assert window.wrong == []
