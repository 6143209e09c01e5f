"""From a credential to a `Principal`. Knows headers, not FastAPI."""
