"""One folder per vendor; loaded by name, never imported by the connector."""
