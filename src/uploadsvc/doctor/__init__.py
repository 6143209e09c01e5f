"""``uploadsvc doctor``: check the bucket and the connection to it with real requests."""
