"""Migrations, run by connector.store.migrate."""
