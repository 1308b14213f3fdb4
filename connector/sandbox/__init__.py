"""A stand-in for the world outside, over real HTTP, for trials and tests: Meta's Graph API and a shop.

It speaks the vendors' wire formats without knowing their adapters, so that both sides of the wire are
written twice and neither can hide the other's mistake. It binds to and calls loopback addresses only, and
nothing but the command line may import it (``lint-imports`` keeps that).
"""
