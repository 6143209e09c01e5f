"""Protocols of other clients, over the same services."""
