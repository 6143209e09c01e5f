"""Set up the bucket and the rights on it."""
