"""Mappings as files: what to send when. Data only."""
