"""What the app must be allowed, and which topics must be posted to us, each with what it is for."""

from __future__ import annotations

SCOPES = (
    "read_orders", "read_fulfillments", "read_customers", "read_draft_orders", "write_customers", "write_orders",
)  # fmt: skip
"""What the topics and the writing back need; https://shopify.dev/docs/api/usage/access-scopes ."""
WRITING = {"write_customers": "consent, tags and metafields of customers", "write_orders": "tags of orders"}
"""Of these scopes, those that only writing back needs."""

RECIPE_TOPICS = (
    "orders/create", "orders/paid", "orders/cancelled", "fulfillments/create", "fulfillments/update",
    "fulfillment_events/create", "refunds/create", "draft_orders/update", "checkouts/update", "app/uninstalled",
)  # fmt: skip
"""Topics of the shipped recipes; the others are for mappings of one's own."""
CONTACT_TOPICS = (
    "customers/create", "customers/update", "customers_whats_app_marketing_consent/update",
    "customers_marketing_consent/update", "customers_email_marketing_consent/update",
    "customer.tags_added", "customer.tags_removed",
)  # fmt: skip
"""Topics that the contact mapping needs: who somebody is, what they agreed to, and their labels."""
NEEDED = RECIPE_TOPICS + CONTACT_TOPICS


def enum(topic: str) -> str:
    """Return GraphQL's spelling of a topic: ``orders/paid`` -> ``ORDERS_PAID``."""
    return topic.upper().replace("/", "_").replace(".", "_")
