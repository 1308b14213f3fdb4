"""A console that people are signed in to: a whole installation, its pages, and clients for each role.

``room.client("editor")`` is a browser in which a user of that role has really signed in. CSRF stays on:
``room.post(client, "/me/name", name="Ada")`` takes the token from the page at that address, or from ``page``.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector.flow import team
from connector.model import Role
from connector.store import Store
from connector.store.users import UserRow
from connector.wiring import Wiring
from tests.web.conftest import House

PASSWORD = "marmalade-orbit-flint"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Room:
    """A console, and who works in it."""

    def __init__(self, house: House, app: Flask) -> None:
        self.house = house
        self.app = app
        self._users: dict[str, UserRow] = {}

    @property
    def store(self) -> Store:
        """The database."""
        return self.house.store

    @property
    def tools(self) -> Wiring:
        """The wiring."""
        return self.house.tools

    def user(self, role: str = "owner") -> UserRow:
        """The user of this role; made where there is none."""
        if role not in self._users:
            self._users[role] = self.add(f"{role}@example.org", role)
        return self._users[role]

    def add(self, email: str, role: str = "viewer", name: str = "") -> UserRow:
        """Add a user with the password of all of them."""
        called = name or f"{role.capitalize()} Person"
        return team.add(self.store, email_=email, name_=called, role=Role(role), password=PASSWORD)

    def stranger(self, **given: Any) -> FlaskClient:
        """A browser in which nobody is signed in."""
        client: FlaskClient = self.app.test_client(**given)
        return client

    def client(self, role: str = "owner") -> FlaskClient:
        """A browser in which a user of this role is signed in."""
        return self.sign_in(self.user(role).email)

    def sign_in(self, email: str, password: str = PASSWORD) -> FlaskClient:
        """A browser in which somebody has signed in; the second factor, where there is one, is still to come."""
        client = self.stranger()
        answer = self.post(client, "/sign-in", email=email, password=password)
        assert answer.status_code == 303, answer.text
        return client

    def csrf(self, client: FlaskClient, path: str) -> str:
        """The token of the forms of a page."""
        found = _TOKEN.search(client.get(path, headers={"Accept": "text/html"}).text)
        assert found, f"{path} has no form"
        return found[1]

    def post(self, client: FlaskClient, path: str, *, page: str = "", **form: Any) -> TestResponse:
        """Post a form to ``path`` with the token of the page that it stands on: the same path, or ``page``."""
        data = {"csrf_token": self.csrf(client, page or path)} | form
        return client.post(path, data=data, headers={"Accept": "text/html"})
