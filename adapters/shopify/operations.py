"""Every GraphQL operation that this adapter asks, against the Admin API 2026-10; none uses a deprecated field.

``.ci/check-graphql`` validates all of them against Shopify's schema, the generated ones too.
https://shopify.dev/docs/api/admin-graphql/2026-10

``cost`` is what an operation takes out of the shop's budget before Shopify has told: a mutation 10 points, an
object 1, a list as many as it may hold, at most 1000 a request
(https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_COST = 1000
"""Points of one request; Shopify refuses more for ever (``MAX_COST_EXCEEDED``)."""
MUTATION_COST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One document with one operation in it."""

    name: str
    """Its name in the document, by which it is told in errors: ``Orders``."""
    text: str
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A root field that is asked several times in one document, each under an alias of its own."""

    name: str
    arguments: Mapping[str, str]
    """Name -> type: ``{"id": "ID!"}``."""
    answer: str
    """What is read of it."""
    cost: float
    fixed: str = ""
    """Further arguments, which are the same each time: ``first: 2``."""


SHOP = Operation(
    name="Shop",
    cost=5,
    text="query Shop { shop { myshopifyDomain name } currentAppInstallation { accessScopes { handle } } }",
)

SUBSCRIPTIONS = Operation(
    name="Subscriptions",
    cost=100,
    text="""query Subscriptions($after: String) {
  webhookSubscriptions(first: 250, after: $after) {
    nodes { topic uri format }
    pageInfo { hasNextPage endCursor }
  }
}""",
)

SUBSCRIBE = Operation(
    name="Subscribe",
    cost=MUTATION_COST,
    text="""mutation Subscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}""",
)

_CUSTOMER_PARTS = """
fragment Address on MailingAddress {
  firstName lastName name company address1 address2 city province provinceCode zip country countryCodeV2 phone
}
fragment Person on Customer {
  id firstName lastName state note verifiedEmail createdAt updatedAt
  defaultEmailAddress { emailAddress }
  defaultPhoneNumber { phoneNumber }
  defaultAddress { ...Address }
}"""

CUSTOMERS = Operation(
    name="Customers",
    cost=300,
    text="""query Customers($first: Int!, $after: String, $query: String!) {
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      ...Person
      defaultEmailAddress { marketingState marketingOptInLevel marketingUpdatedAt }
      defaultPhoneNumber {
        smsMarketingConsent { state optInLevel updatedAt collectedFrom }
        whatsAppMarketingConsent { state optInLevel updatedAt collectedFrom }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
    + _CUSTOMER_PARTS,
)
"""Customers since a moment, oldest change first."""

ORDERS = Operation(
    name="Orders",
    cost=900,
    text="""query Orders($first: Int!, $after: String, $query: String!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      id name number confirmationNumber email phone createdAt processedAt updatedAt cancelledAt closedAt cancelReason
      currencyCode presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus paymentGatewayNames
      customerLocale customerAcceptsMarketing statusPageUrl tags note sourceName confirmed test discountCodes
      checkoutToken
      customAttributes { key value }
      totalPriceSet { ...Money }
      currentTotalPriceSet { ...Money }
      subtotalPriceSet { ...Money }
      totalDiscountsSet { ...Money }
      totalShippingPriceSet { ...Money }
      totalTaxSet { ...Money }
      totalOutstandingSet { ...Money }
      lineItems(first: 20) {
        nodes { id title name variantTitle quantity sku originalUnitPriceSet { ...Money } }
      }
      shippingLines(first: 2) { nodes { title originalPriceSet { ...Money } } }
      transactions(first: 10) { kind status processedAt }
      fulfillments(first: 10) {
        id name status displayStatus createdAt updatedAt
        trackingInfo(first: 5) { company number url }
      }
      customer { ...Person }
      shippingAddress { ...Address }
      billingAddress { ...Address }
    }
    pageInfo { hasNextPage endCursor }
  }
}
fragment Money on MoneyBag {
  shopMoney { amount currencyCode }
  presentmentMoney { amount currencyCode }
}"""
    + _CUSTOMER_PARTS,
)
"""Orders since a moment, oldest change first."""

_ERRORS = "userErrors { field message }"

TAGS_ADD = Field(name="tagsAdd", arguments={"id": "ID!", "tags": "[String!]!"}, answer=_ERRORS, cost=MUTATION_COST)
TAGS_REMOVE = Field(
    name="tagsRemove", arguments={"id": "ID!", "tags": "[String!]!"}, answer=_ERRORS, cost=MUTATION_COST
)
METAFIELDS_SET = Field(
    name="metafieldsSet",
    arguments={"metafields": "[MetafieldsSetInput!]!"},
    answer="userErrors { field message code elementIndex }",
    cost=MUTATION_COST,
)
WHATSAPP_CONSENT = Field(
    name="customerWhatsAppMarketingConsentUpdate",
    arguments={"input": "CustomerWhatsAppMarketingConsentUpdateInput!"},
    answer="userErrors { field message code }",
    cost=MUTATION_COST,
)
"""API 2026-07 and later: https://shopify.dev/changelog/whatsapp-marketing-consent-now-available"""
CUSTOMER_BY_NUMBER = Field(
    name="customerByIdentifier", arguments={"identifier": "CustomerIdentifierInput!"}, answer="id", cost=1
)
"""Finds the number as it is: E.164."""
CUSTOMERS_BY_QUERY = Field(
    name="customers",
    arguments={"query": "String!"},
    fixed="first: 2",
    answer="nodes { id defaultPhoneNumber { phoneNumber } }",
    cost=8,
)
WRITES = (TAGS_ADD, TAGS_REMOVE, METAFIELDS_SET, WHATSAPP_CONSENT)
LOOKUPS = (CUSTOMER_BY_NUMBER, CUSTOMERS_BY_QUERY)
WHOLE = (SHOP, SUBSCRIPTIONS, SUBSCRIBE, CUSTOMERS, ORDERS)
"""The documents that are asked as they stand."""
INPUTS: Mapping[str, tuple[str, ...]] = {
    "CustomerIdentifierInput": ("phoneNumber",),
    "CustomerMarketingConsentInput": ("state", "optInLevel", "updatedAt"),
    "CustomerWhatsAppMarketingConsentUpdateInput": ("customerId", "whatsAppMarketingConsent"),
    "MetafieldsSetInput": ("ownerId", "namespace", "key", "type", "value"),
    "WebhookSubscriptionInput": ("uri", "format"),
}
"""What is filled in of the objects that go along as variables, where no document shows it."""


def alias(index: int) -> str:
    """Return the name that the answer gives to one of several root fields: ``f0``."""
    return f"f{index}"


def variable(argument: str, index: int) -> str:
    """Return the name of the variable that an argument of one of several root fields reads: ``id0``."""
    return f"{argument}{index}"


def together(kind: str, fields: Sequence[Field]) -> Operation:
    """Return one document that asks all these root fields, in this order; ``kind``: ``mutation`` or ``query``.

    A mutation's root fields are carried out one after the other, and each has its own outcome
    (https://spec.graphql.org/September2025/#sec-Mutation).
    """
    declared, asked = [], []
    for index, field in enumerate(fields):
        names = {argument: variable(argument, index) for argument in field.arguments}
        declared += [f"${names[argument]}: {type_}" for argument, type_ in field.arguments.items()]
        given = [f"{argument}: ${name}" for argument, name in names.items()]
        arguments = ", ".join([field.fixed, *given] if field.fixed else given)
        asked.append(f"  {alias(index)}: {field.name}({arguments}) {{ {field.answer} }}")
    name = "Write" if kind == "mutation" else "Find"
    return Operation(
        name=name,
        text=f"{kind} {name}({', '.join(declared)}) {{\n" + "\n".join(asked) + "\n}",
        cost=min(MOST_COST, sum(field.cost for field in fields)),
    )
