"""Settings → objects, each built once."""
