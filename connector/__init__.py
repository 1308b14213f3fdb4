"""Self-hosted connector between shops, CRMs and WhatsApp."""

__version__ = "0.1.0"
