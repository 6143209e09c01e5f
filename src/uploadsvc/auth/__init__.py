"""Authentication: from a credential to a `Principal`, without FastAPI."""
