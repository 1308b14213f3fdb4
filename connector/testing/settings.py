# ruff: noqa: S101 - this is a test suite
"""The contract of manifests and settings: what an operator can get wrong, and what must stay hidden."""

from __future__ import annotations

import re

import pytest
from marshmallow import ValidationError, fields

from connector.contract import ApiUrl, SecretField
from connector.http import Http
from connector.testing.subject import Subject

_SOUNDS_SECRET = re.compile(r"secret|password|passwd|token|private|credential|api_?key")
_BAD_URLS = (
    "http://api.vendor.example", "http://10.0.0.1:80", "http://127.0.0.1.vendor.example", "ftp://127.0.0.1",
    "https://", "https://user:pass@api.vendor.example", "https://api.vendor.example/?x=1", "api.vendor.example",
    "https://api.vendor.example/#x", "http://[::1", "", 7, None, ["https://api.vendor.example"],
)  # fmt: skip
_GOOD_URLS = ("https://api.vendor.example/v1", "http://127.0.0.1:8123", "http://localhost:8123/v1", "http://[::1]:81")


class SettingsContract(Subject):
    """Inherit it as ``class TestSettings(SettingsContract)``; ``given`` should hold every secret."""

    def test_the_manifest_plays_a_role_under_a_plain_name(self) -> None:
        """The name is a folder, a word of the command line and a column."""
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", self.adapter.name)
        assert self.adapter.title.strip()
        assert any((self.adapter.receiver, self.adapter.feed, self.adapter.channel, self.adapter.crm))

    def test_the_given_settings_are_taken(self) -> None:
        """And build every role that needs no session."""
        loaded = self.load()
        if self.adapter.receiver:
            self.adapter.receiver(loaded)

    def test_an_unknown_setting_is_refused(self) -> None:
        """A typing error must not pass in silence."""
        with pytest.raises(ValidationError) as caught:
            self.load(no_such_setting="x")
        assert "no_such_setting" in caught.value.messages_dict

    def test_a_required_setting_that_is_missing_is_named(self) -> None:
        """Every one of them."""
        for name, field in self.adapter.settings().fields.items():
            if field.required:
                with pytest.raises(ValidationError) as caught:
                    self.adapter.settings().load({key: value for key, value in self.given.items() if key != name})
                assert name in caught.value.messages_dict

    def test_urls_are_https_except_towards_this_machine(self) -> None:
        """Tokens travel there."""
        for name in self._urls():
            for url in _GOOD_URLS:
                assert self.load(**{name: url})[name] == url
            for bad in _BAD_URLS:
                with pytest.raises(ValidationError) as caught:
                    self.load(**{name: bad})
                assert name in caught.value.messages_dict, f"{bad!r} as {name}"

    def test_every_url_is_of_the_type_that_is_checked(self) -> None:
        """A plain text field would let http pass."""
        for name, field in self.adapter.settings().fields.items():
            if re.search(r"(^|_)(url|endpoint|base)$", name) and isinstance(field, fields.String):
                pytest.fail(f"{name} must be an ApiUrl")

    def test_the_session_is_held_to_hosts_it_can_check(self) -> None:
        """They are read from the settings; a role that calls out has at least one."""
        loaded = self.load()
        hosts = list(self.adapter.hosts(loaded))
        Http(hosts).close()
        if self.adapter.feed or self.adapter.channel or self.adapter.crm:
            assert hosts

    def test_whatever_sounds_secret_is_one(self) -> None:
        """It is then sealed at rest, asked for without echo, and never shown."""
        for name, field in self.adapter.settings().fields.items():
            if _SOUNDS_SECRET.search(name):
                assert isinstance(field, SecretField), f"{name} must be a SecretField"

    def test_secrets_are_in_no_repr_and_in_no_dump(self) -> None:
        """Neither in settings, nor in what is made of them."""
        secrets = self.secrets()
        assert all(len(secret) > 5 for secret in secrets), "give longer secrets: short ones are found in any text"
        loaded = self.load()
        told = f"{loaded!r} {loaded} {self.adapter.settings().dump(loaded)}"
        if self.adapter.receiver:
            told += repr(self.adapter.receiver(loaded))
        for secret in secrets:
            assert secret not in told

    def test_a_refusal_does_not_repeat_a_secret(self) -> None:
        """Operators paste secrets into the wrong field, and the error into a chat."""
        for name, field in self.adapter.settings().fields.items():
            if not isinstance(field, SecretField):
                continue
            for wrong in ("pasted twice pasted", "with a\nline", "…not-ascii", "", ["", "pasted"], 7, None, {"a": 1}):
                with pytest.raises(ValidationError) as caught:
                    self.load(**{name: wrong})
                assert name in caught.value.messages_dict
                assert "pasted" not in str(caught.value)

    def test_a_secret_that_rotates_takes_several(self) -> None:
        """Newest first; requests signed with the old one are still on their way."""
        for name, field in self.adapter.settings().fields.items():
            if isinstance(field, SecretField) and field.rotates:
                loaded = self.load(**{name: ["newest-secret", "older-secret"]})[name]
                assert [secret.reveal() for secret in loaded] == ["newest-secret", "older-secret"]

    def _urls(self) -> list[str]:
        return [name for name, field in self.adapter.settings().fields.items() if isinstance(field, ApiUrl)]
