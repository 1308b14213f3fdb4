"""A Shopify shop that stands in for a real one: tokens, Admin GraphQL, and the webhooks its changes fire."""

from connector.sandbox.shopify.shop import SandboxShop as SandboxShop
