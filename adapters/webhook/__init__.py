"""Webhooks of anything that posts signed JSON."""
