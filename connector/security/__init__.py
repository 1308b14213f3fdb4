"""Secrets at rest."""

from connector.security.vault import Vault

__all__ = ["Vault"]
