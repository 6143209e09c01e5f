"""Other clients' wire formats, over the same use cases."""
