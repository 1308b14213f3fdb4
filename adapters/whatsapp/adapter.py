"""The manifest."""

from __future__ import annotations

from adapters.whatsapp.channel import WhatsAppChannel
from adapters.whatsapp.check import check
from adapters.whatsapp.receiver import WhatsAppReceiver
from adapters.whatsapp.settings import WhatsAppSettings, hosts
from adapters.whatsapp.templates import read_templates
from adapters.whatsapp.tend import tend
from connector.contract import Adapter, Proof, Step

FIELDS = (
    "messages", "user_preferences", "message_template_status_update", "message_template_quality_update",
    "message_template_components_update", "template_category_update", "phone_number_quality_update", "account_update",
    "business_capability_update",
)  # fmt: skip
"""Fields of Meta's webhook that are read."""

ADAPTER = Adapter(
    name="whatsapp",
    title="WhatsApp (Meta's Cloud API)",
    settings=WhatsAppSettings,
    hosts=hosts,
    receiver=WhatsAppReceiver,
    channel=WhatsAppChannel,
    check=check,
    tend=tend,
    read_templates=read_templates,
    summary="A WhatsApp number of yours, by Meta's Cloud API: sends messages, hears receipts and answers.",
    guide=(
        Step(
            words="In Meta's app dashboard open **WhatsApp > Configuration** and paste this address as *Callback URL*.",
            link="https://developers.facebook.com/apps",
            copy="webhook_url",
        ),
        Step(words="Beside it paste the verify token that you have chosen, and press **Verify and save**."),
        Step(words="Subscribe to these webhook fields; others do no harm.", items=FIELDS),
        Step(
            words="Switch the app to **Live**: before that Meta posts only its own tests. The connector subscribes the "
            "app to the account by itself, within the hour."
        ),
    ),
    proof=lambda settings: Proof(
        header="X-Hub-Signature-256",
        secret="app_secret",  # noqa: S106 - the name of a setting
        prefix="sha256=",
        body='{"object": "whatsapp_business_account", "entry": []}',
    ),
)
