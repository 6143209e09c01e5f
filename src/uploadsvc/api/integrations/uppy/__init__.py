"""Uppy's protocols: Companion, signed requests, temporary credentials."""
