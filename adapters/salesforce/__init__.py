"""Salesforce: receives Outbound Messages and signed JSON, asks for changes, and writes back."""
