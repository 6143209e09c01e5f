"""Embedded S3 of ``uploadsvc dev``. ``uploadsvc serve`` never imports it."""
