"""``uploadsvc doctor``: the bucket and the way to it, as an upload meets them, examined from the outside."""
