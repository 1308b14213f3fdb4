"""Shopify: receives its webhooks and looks after the connection."""
