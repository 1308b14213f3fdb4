"""The Shopify adapter's manifest."""

from adapters.shopify.check import check
from adapters.shopify.receiver import ShopifyReceiver
from adapters.shopify.settings import ShopifySettings, hosts
from adapters.shopify.topics import TOPICS
from connector.contract import Adapter

ADAPTER = Adapter(
    name="shopify",
    title="Shopify",
    settings=ShopifySettings,
    hosts=hosts,
    receiver=ShopifyReceiver,
    check=check,
    topics=TOPICS,
)
