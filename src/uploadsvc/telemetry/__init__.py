"""Metrics and traces of the service. They never hold a user, key, id, token or URL."""
