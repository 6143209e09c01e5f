"""Set up the bucket and the permissions for it."""
