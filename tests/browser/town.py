"""An installation with something to see: a shop that has posted, people who have answered, and who may look."""

from __future__ import annotations

from dataclasses import dataclass

from connector.flow import team
from connector.model import Role
from connector.sandbox.deliveries import Mix
from tests.browser.conftest import OpenWindow, Window
from tests.stories.kit import Stage

PASSWORD = "marmalade-orbit-flint"
RECIPES = ("order_paid", "order_shipped", "abandoned_checkout")
ORDERS, UNUSABLE = 12, 2
"""How many orders come, and how many of these without a number that can be reached: always the same people's."""


@dataclass
class Town:
    """A running installation and its people."""

    stage: Stage
    open_window: OpenWindow

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"http://127.0.0.1:{self.stage.port}"

    def add(self, role: str) -> str:
        """Let somebody in; return the address they sign in with."""
        email = f"{role}@example.org"
        team.add(self.stage.store, email_=email, name_=role.capitalize(), role=Role(role), password=PASSWORD)
        return email

    def open(self, email: str, **look: object) -> Window:
        """Open a window in which they have signed in, as a person does."""
        window = self.open_window(self.url, **look)
        window.go("/sign-in")
        window.page.get_by_label("E-mail").fill(email)
        window.page.get_by_label("Password", exact=True).fill(PASSWORD)
        window.press(window.page.get_by_role("button", name="Sign in", exact=True))
        assert "/sign-in" not in window.page.url
        return window


def found(stage: Stage, open_window: OpenWindow) -> Town:
    """Start everything, let the shop post, and wait until its messages are read and nothing more is to come."""
    stage.set_up(*RECIPES)
    stage.run()
    stage.post(Mix(total=ORDERS, unusable=UNUSABLE, topics=("orders/paid",)))
    stage.audit(ORDERS - UNUSABLE)
    return Town(stage, open_window)
