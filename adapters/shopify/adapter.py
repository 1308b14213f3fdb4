"""The Shopify adapter's manifest."""

from adapters.shopify.access import has_access
from adapters.shopify.authorize import ShopifyAuthorizer
from adapters.shopify.check import check
from adapters.shopify.crm import ShopifyCrm
from adapters.shopify.feed import ShopifyFeed
from adapters.shopify.gateway import Gateway
from adapters.shopify.receiver import ShopifyReceiver
from adapters.shopify.settings import ShopifySettings, hosts
from adapters.shopify.subscriptions import tend
from adapters.shopify.topics import TOPICS
from adapters.shopify.writing import HOLDS
from connector.contract import Adapter, Kit, Settings


def _crm(settings: Settings, kit: Kit) -> ShopifyCrm | None:
    return ShopifyCrm(Gateway(settings, kit)) if has_access(settings) else None


def _feed(settings: Settings, kit: Kit) -> ShopifyFeed | None:
    return ShopifyFeed(Gateway(settings, kit), settings["shop"]) if has_access(settings) else None


ADAPTER = Adapter(
    name="shopify",
    title="Shopify",
    settings=ShopifySettings,
    hosts=hosts,
    receiver=ShopifyReceiver,
    feed=_feed,
    crm=_crm,
    authorizer=ShopifyAuthorizer(),
    check=check,
    tend=tend,
    objects=tuple(HOLDS),
    holds=HOLDS,
    topics=TOPICS,
)
