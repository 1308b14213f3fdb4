"""Typing in the mapping editor when things go wrong around it: nothing is lost, and nobody waits for ever."""

from __future__ import annotations

from playwright.sync_api import Page, Request, Route, expect

from connector.flow import publish
from tests.browser.conftest import OpenWindow
from tests.browser.town import PASSWORD, Town
from tests.stories.conftest import OpenStage
from tests.stories.kit import RECIPES

NAME = "shopify/order_paid"
EDIT = f"/mappings/{NAME}/edit"
FIRST = "slots.body.1"


def test_what_is_typed_outlives_slow_answers_no_answers_and_the_session(
    open_stage: OpenStage, open_window: OpenWindow
) -> None:
    town = Town(open_stage(), open_window)
    town.stage.set_up()
    publish.save(town.stage.store, NAME, (RECIPES / "order_paid.toml").read_text())
    town.stage.run()
    email = town.add("editor")
    window = town.open(email)
    page = window.page
    window.go(EDIT)
    box = page.locator(f"[name='{FIRST}']")
    trouble = page.locator("#trouble")

    _write_elsewhere_while_a_row_is_added(page)
    expect(box).to_have_value("Hello and more")
    expect(page.locator(".tel-body")).to_contain_text("Hello and more")
    assert page.evaluate("document.activeElement.name") == FIRST

    page.route("**/preview", lambda route: None)  # asked, and never answered
    box.fill("Patience")
    expect(trouble).to_contain_text("late")
    page.unroute("**/preview")

    page.route("**/preview", lambda route: route.abort("connectionrefused"))
    box.fill("Nobody there")
    expect(trouble).to_contain_text("The connector does not answer")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/preview")):
        page.locator("#save").click()
    expect(box).to_have_value("Nobody there")
    assert page.url.endswith(EDIT)
    page.unroute("**/preview")

    window.context.clear_cookies()
    box.fill("Signed out")
    expect(trouble).to_contain_text("You are signed out")
    with page.expect_response(lambda answer: answer.request.method == "GET" and answer.url.endswith(EDIT)):
        page.locator("#save").click()
    expect(trouble).to_contain_text("You are signed out")
    expect(box).to_have_value("Signed out")
    assert page.url.endswith(EDIT)

    _sign_in_beside(town, email, page)
    box.fill("Signed in anew")
    expect(page.locator(".tel-body")).to_contain_text("Signed in anew")
    page.locator("#save").click()
    expect(page.locator(".said")).to_contain_text("Draft saved")
    expect(box).to_have_value("Signed in anew")
    assert [each for each in window.wrong if "ERR_CONNECTION_REFUSED" not in each] == []


def _write_elsewhere_while_a_row_is_added(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route, request: Request) -> None:
        if request.method == "POST":
            held.append(route)
        else:
            route.continue_()

    page.route("**/edit", hold)
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/edit")):
        page.locator("button[value='row:c']").click(no_wait_after=True)
    box = page.locator(f"[name='{FIRST}']")
    box.fill("Hello")
    page.evaluate("new Promise((due) => setTimeout(due, 500))")  # a preview is due by now, and must not cost the row
    with page.expect_response(lambda answer: answer.url.endswith("/edit")):
        for route in held:
            route.continue_()
    expect(page.locator("[name='c.4:field']")).to_be_visible()
    page.keyboard.type(" and more")
    page.unroute("**/edit")


def _sign_in_beside(town: Town, email: str, page: Page) -> None:
    """Sign in in another tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(f"{town.url}/sign-in")
    tab.get_by_label("E-mail").fill(email)
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in", exact=True).click()
    tab.wait_for_url(lambda url: "/sign-in" not in url)
    tab.close()
