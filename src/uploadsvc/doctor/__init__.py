"""``uploadsvc doctor``: check the bucket, and the path to it, with real requests."""
