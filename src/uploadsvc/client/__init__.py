"""``uploadsvc upload``: files sent from a terminal to any uploadsvc, of whose inside it knows nothing."""
