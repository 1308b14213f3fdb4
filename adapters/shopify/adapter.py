"""The Shopify adapter's manifest."""

from adapters.shopify.access import has_access
from adapters.shopify.authorize import ShopifyAuthorizer
from adapters.shopify.check import check
from adapters.shopify.crm import ShopifyCrm
from adapters.shopify.feed import ShopifyFeed
from adapters.shopify.gateway import Gateway
from adapters.shopify.needs import NEEDED, SCOPES
from adapters.shopify.receiver import ShopifyReceiver
from adapters.shopify.settings import ShopifySettings, hosts
from adapters.shopify.subscriptions import tend
from adapters.shopify.topics import TOPICS
from adapters.shopify.writing import HOLDS
from connector.contract import Adapter, Kit, Proof, Settings, Step


def _crm(settings: Settings, kit: Kit) -> ShopifyCrm | None:
    return ShopifyCrm(Gateway(settings, kit)) if has_access(settings) else None


def _feed(settings: Settings, kit: Kit) -> ShopifyFeed | None:
    return ShopifyFeed(Gateway(settings, kit), settings["shop"]) if has_access(settings) else None


def _proof(settings: Settings) -> Proof:
    return Proof(
        header="X-Shopify-Hmac-Sha256",
        secret="webhook_secret" if settings.get("webhook_secret") else "client_secret",
        encoding="base64",
        more={"X-Shopify-Topic": "test/by_hand", "X-Shopify-Shop-Domain": settings["shop"]},
    )


GUIDE = (
    Step(
        words="Give the app these scopes in the Dev Dashboard, release it, and install it on the shop.",
        link="https://dev.shopify.com/dashboard",
        items=SCOPES,
    ),
    Step(
        words="Webhooks: with access to the Admin API the connector subscribes what is missing by itself, within the "
        "hour. To do it yourself, subscribe these topics to this address, format JSON, in `shopify.app.toml` or under "
        "**Settings > Notifications > Webhooks** of the shop's admin.",
        copy="webhook_url",
        items=NEEDED,
    ),
    Step(
        words="Webhooks that you make by hand in the admin are signed with the secret that this page of the admin "
        "shows; put it into the setting `webhook_secret`."
    ),
    Step(
        words="An app of another organisation is let in by the shop's owner, by the button **Install** here. "
        "Allow this return address in the app before.",
        copy="callback_url",
    ),
)

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
    summary="A shop: orders, parcels, refunds, checkouts and customers come in; consent and tags are written back.",
    guide=GUIDE,
    proof=_proof,
)
