"""The use cases: no FastAPI, no boto."""
