"""The documented HTTP API."""
