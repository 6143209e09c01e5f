"""``uploadsvc doctor``: check the bucket and the way to it, as an upload meets them."""
