"""Other clients' protocols over the same services."""
