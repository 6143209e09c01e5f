"""The terminal client ``uploadsvc upload``. It knows the HTTP API of the service and nothing else of it."""
