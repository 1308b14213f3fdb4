"""What of Shopify's Admin schema 2026-10 the shop answers: types, arguments, inputs, enumerations.

Names and types as in the published schema; deprecated fields are left out, so that asking for one is an error.
"""

from __future__ import annotations

from collections.abc import Mapping


def _fields(text: str) -> dict[str, str]:
    """Read ``id:ID! tags:[String!]!``; a name without a type is a String."""
    pairs = (word.partition(":") for word in text.split())
    return {name: kind or "String" for name, _, kind in pairs}


def _connection(name: str) -> dict[str, str]:
    return {"nodes": f"[{name}!]!", "edges": f"[{name}Edge!]!", "pageInfo": "PageInfo!"}


def _edge(name: str) -> dict[str, str]:
    return {"node": f"{name}!", "cursor": "String!"}


_CONNECTED = ("Customer", "Order", "LineItem", "ShippingLine", "WebhookSubscription", "Metafield")
_SETS = (
    "totalPriceSet currentTotalPriceSet subtotalPriceSet currentSubtotalPriceSet totalDiscountsSet totalTaxSet "
    "totalShippingPriceSet totalOutstandingSet totalRefundedSet"
)

TYPES: Mapping[str, Mapping[str, str]] = {
    "QueryRoot": _fields(
        "shop:Shop! currentAppInstallation:AppInstallation! webhookSubscriptions:WebhookSubscriptionConnection! "
        "customers:CustomerConnection! orders:OrderConnection! customer:Customer order:Order "
        "customerByIdentifier:Customer"
    ),
    "Mutation": _fields(
        "tagsAdd:TagsAddPayload tagsRemove:TagsRemovePayload metafieldsSet:MetafieldsSetPayload "
        "customerWhatsAppMarketingConsentUpdate:CustomerWhatsAppMarketingConsentUpdatePayload "
        "webhookSubscriptionCreate:WebhookSubscriptionCreatePayload "
        "webhookSubscriptionDelete:WebhookSubscriptionDeletePayload"
    ),
    "Shop": _fields("id:ID! name myshopifyDomain email currencyCode ianaTimezone"),
    "AppInstallation": _fields("id:ID! accessScopes:[AccessScope!]!"),
    "AccessScope": _fields("handle description"),
    "PageInfo": _fields("hasNextPage:Boolean! hasPreviousPage:Boolean! startCursor endCursor"),
    "Customer": _fields(
        "id:ID! legacyResourceId firstName lastName displayName locale note state verifiedEmail:Boolean! createdAt "
        "updatedAt tags:[String!]! defaultEmailAddress:CustomerEmailAddress defaultPhoneNumber:CustomerPhoneNumber "
        "defaultAddress:MailingAddress metafield:Metafield metafields:MetafieldConnection!"
    ),
    "CustomerEmailAddress": _fields("emailAddress marketingState marketingOptInLevel marketingUpdatedAt"),
    "CustomerPhoneNumber": _fields(
        "phoneNumber smsMarketingConsent:CustomerSmsMarketingConsent! "
        "whatsAppMarketingConsent:CustomerWhatsAppMarketingConsent!"
    ),
    "CustomerSmsMarketingConsent": _fields("state optInLevel updatedAt collectedFrom"),
    "CustomerWhatsAppMarketingConsent": _fields("state optInLevel updatedAt collectedFrom"),
    "MailingAddress": _fields(
        "id:ID! firstName lastName name company address1 address2 city province provinceCode zip country countryCodeV2 "
        "phone"
    ),
    "Order": _fields(
        "id:ID! legacyResourceId name number:Int! confirmationNumber email phone createdAt processedAt updatedAt "
        "cancelledAt closedAt cancelReason currencyCode presentmentCurrencyCode displayFinancialStatus "
        "displayFulfillmentStatus paymentGatewayNames:[String!]! customerLocale customerAcceptsMarketing:Boolean! "
        "statusPageUrl tags:[String!]! note sourceName confirmed:Boolean! test:Boolean! discountCodes:[String!]! "
        "checkoutToken cartToken customAttributes:[Attribute!]! lineItems:LineItemConnection! "
        "shippingLines:ShippingLineConnection! transactions:[OrderTransaction!]! fulfillments:[Fulfillment!]! "
        "customer:Customer shippingAddress:MailingAddress billingAddress:MailingAddress metafield:Metafield "
        "metafields:MetafieldConnection!"
    ) | dict.fromkeys(_SETS.split(), "MoneyBag"),
    "Attribute": _fields("key value"),
    "MoneyBag": _fields("shopMoney:MoneyV2! presentmentMoney:MoneyV2!"),
    "MoneyV2": _fields("amount currencyCode"),
    "LineItem": _fields("id:ID! title name variantTitle sku vendor quantity:Int! currentQuantity:Int! "
                        "originalUnitPriceSet:MoneyBag!"),
    "ShippingLine": _fields("id:ID! title originalPriceSet:MoneyBag!"),
    "OrderTransaction": _fields("id:ID! kind status processedAt createdAt"),
    "Fulfillment": _fields("id:ID! name status displayStatus createdAt updatedAt "
                           "trackingInfo:[FulfillmentTrackingInfo!]!"),
    "FulfillmentTrackingInfo": _fields("company number url"),
    "Metafield": _fields("id:ID! namespace key value type"),
    "WebhookSubscription": _fields("id:ID! topic uri format name createdAt updatedAt"),
    "UserError": _fields("field:[String!] message"),
    "CustomerMarketingConsentError": _fields("field:[String!] message code"),
    "MetafieldsSetUserError": _fields("field:[String!] message code elementIndex:Int"),
    "TagsAddPayload": _fields("userErrors:[UserError!]!"),
    "TagsRemovePayload": _fields("userErrors:[UserError!]!"),
    "MetafieldsSetPayload": _fields("metafields:[Metafield!] userErrors:[MetafieldsSetUserError!]!"),
    "CustomerWhatsAppMarketingConsentUpdatePayload": _fields(
        "customerPhoneNumber:CustomerPhoneNumber userErrors:[CustomerMarketingConsentError!]!"
    ),
    "WebhookSubscriptionCreatePayload": _fields("webhookSubscription:WebhookSubscription userErrors:[UserError!]!"),
    "WebhookSubscriptionDeletePayload": _fields("deletedWebhookSubscriptionId:ID userErrors:[UserError!]!"),
    **{f"{name}Connection": _connection(name) for name in _CONNECTED},
    **{f"{name}Edge": _edge(name) for name in _CONNECTED},
}  # fmt: skip

_PAGE = "first:Int last:Int after before reverse:Boolean"
ARGUMENTS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("QueryRoot", "customers"): _fields(f"{_PAGE} query sortKey:CustomerSortKeys"),
    ("QueryRoot", "orders"): _fields(f"{_PAGE} query sortKey:OrderSortKeys"),
    ("QueryRoot", "webhookSubscriptions"): _fields(f"{_PAGE} uri topics:[WebhookSubscriptionTopic!]"),
    ("QueryRoot", "customer"): _fields("id:ID!"),
    ("QueryRoot", "order"): _fields("id:ID!"),
    ("QueryRoot", "customerByIdentifier"): _fields("identifier:CustomerIdentifierInput!"),
    ("Mutation", "tagsAdd"): _fields("id:ID! tags:[String!]!"),
    ("Mutation", "tagsRemove"): _fields("id:ID! tags:[String!]!"),
    ("Mutation", "metafieldsSet"): _fields("metafields:[MetafieldsSetInput!]!"),
    ("Mutation", "customerWhatsAppMarketingConsentUpdate"): _fields(
        "input:CustomerWhatsAppMarketingConsentUpdateInput!"
    ),
    ("Mutation", "webhookSubscriptionCreate"): _fields(
        "topic:WebhookSubscriptionTopic! webhookSubscription:WebhookSubscriptionInput!"
    ),
    ("Mutation", "webhookSubscriptionDelete"): _fields("id:ID!"),
    ("Order", "lineItems"): _fields(_PAGE),
    ("Order", "shippingLines"): _fields(_PAGE),
    ("Order", "transactions"): _fields("first:Int"),
    ("Order", "fulfillments"): _fields("first:Int query"),
    ("Fulfillment", "trackingInfo"): _fields("first:Int"),
    **{(name, "metafield"): _fields("namespace key:String!") for name in ("Customer", "Order")},
    **{(name, "metafields"): _fields(f"{_PAGE} namespace") for name in ("Customer", "Order")},
}
"""Of a type's field; all others take none."""

INPUTS: Mapping[str, Mapping[str, str]] = {
    "CustomerIdentifierInput": _fields("id:ID emailAddress phoneNumber"),
    "CustomerWhatsAppMarketingConsentUpdateInput": _fields(
        "customerId:ID! whatsAppMarketingConsent:CustomerMarketingConsentInput!"
    ),
    "CustomerMarketingConsentInput": _fields(
        "state:CustomerMarketingConsentState! optInLevel:CustomerMarketingOptInLevel updatedAt:DateTime "
        "sourceLocationId:ID"
    ),
    "MetafieldsSetInput": _fields("ownerId:ID! namespace key:String! type value:String! compareDigest"),
    "WebhookSubscriptionInput": _fields(
        "uri filter format:WebhookSubscriptionFormat includeFields:[String!] metafieldNamespaces:[String!] name"
    ),
}

CONSENT_STATES = ("NEVER_SUBSCRIBED", "PENDING", "SUBSCRIBED", "UNSUBSCRIBED", "REDACTED")
TOPICS: Mapping[str, str] = {
    topic.upper().replace("/", "_").replace(".", "_"): topic
    for topic in (
        "orders/create", "orders/paid", "orders/cancelled", "orders/updated", "orders/fulfilled",
        "orders/partially_fulfilled", "orders/edited", "orders/delete", "fulfillments/create", "fulfillments/update",
        "fulfillment_events/create", "refunds/create", "draft_orders/create", "draft_orders/update",
        "checkouts/create", "checkouts/update", "app/uninstalled", "shop/update", "customers/create",
        "customers/update", "customers/delete", "customers/merge", "customers_marketing_consent/update",
        "customers_email_marketing_consent/update", "customers_whats_app_marketing_consent/update",
        "customer.tags_added", "customer.tags_removed", "inventory_levels/update",
    )
}  # fmt: skip
"""GraphQL's word for a topic -> that of the webhook's header."""
ENUMS: Mapping[str, tuple[str, ...]] = {
    "CustomerMarketingConsentState": CONSENT_STATES,
    "CustomerMarketingOptInLevel": ("SINGLE_OPT_IN", "CONFIRMED_OPT_IN", "UNKNOWN"),
    "WebhookSubscriptionFormat": ("JSON", "XML"),
    "WebhookSubscriptionTopic": tuple(TOPICS),
    "CustomerSortKeys": ("CREATED_AT", "ID", "LOCATION", "NAME", "RELEVANCE", "UPDATED_AT"),
    "OrderSortKeys": ("CREATED_AT", "ID", "ORDER_NUMBER", "PROCESSED_AT", "RELEVANCE", "TOTAL_PRICE", "UPDATED_AT"),
}
SCALARS = frozenset(("ID", "String", "Int", "Float", "Boolean", "DateTime"))


def bare(kind: str) -> str:
    """Return the name of a type without what is around it: ``[Order!]!`` -> ``Order``."""
    return kind.strip("[]!")
