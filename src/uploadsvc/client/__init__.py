"""The terminal client ``uploadsvc upload``. It uses only the service's HTTP API."""
