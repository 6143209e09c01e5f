"""Upload tokens."""
