"""Authentication: turns a credential into a `Principal`. Knows headers, not FastAPI."""
