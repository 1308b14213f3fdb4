"""The manifest."""

from __future__ import annotations

from adapters.whatsapp.channel import WhatsAppChannel
from adapters.whatsapp.check import check
from adapters.whatsapp.receiver import WhatsAppReceiver
from adapters.whatsapp.settings import WhatsAppSettings, hosts
from adapters.whatsapp.templates import read_templates
from adapters.whatsapp.tend import tend
from connector.contract import Adapter

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
)
