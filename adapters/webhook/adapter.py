"""The manifest: a receiver that takes any event, so it declares no topics."""

from adapters.webhook.receiver import WebhookReceiver
from adapters.webhook.settings import WebhookSettings
from connector.contract import Adapter

ADAPTER = Adapter(name="webhook", title="Webhook (any signed JSON)", settings=WebhookSettings, receiver=WebhookReceiver)
