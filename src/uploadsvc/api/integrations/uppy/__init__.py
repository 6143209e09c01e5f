"""Uppy's wire formats: Companion's, signed requests, temporary credentials."""
