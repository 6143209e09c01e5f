"""The documented HTTP API, version 1."""
