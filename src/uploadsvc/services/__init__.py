"""Use cases, without FastAPI and boto."""
