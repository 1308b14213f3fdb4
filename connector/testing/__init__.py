"""The contract suite that every adapter's tests inherit, shipped so that adapters of other packages can too.

It needs pytest and hypothesis. A test file of an adapter::

    class TestReceiver(ReceiverContract):
        adapter = ADAPTER
        given = {"shop": "fernhill", "webhook_secret": ["a-secret"]}
        secret_setting = "webhook_secret"
        signature_header = "x-shop-signature"

        def sign(self, body: bytes, topic: str, secret: str) -> Request: ...
"""

import pytest

for _module in ("channel", "parsing", "receiver", "settings", "subject"):
    pytest.register_assert_rewrite(f"connector.testing.{_module}")

from connector.testing.captured import read_captured  # noqa: E402 - asserts are rewritten first
from connector.testing.channel import ChannelContract, Staged  # noqa: E402
from connector.testing.receiver import ReceiverContract  # noqa: E402
from connector.testing.settings import SettingsContract  # noqa: E402

__all__ = ["ChannelContract", "ReceiverContract", "SettingsContract", "Staged", "read_captured"]
