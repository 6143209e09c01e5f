"""The embedded S3 of ``uploadsvc dev``, which ``uploadsvc serve`` never imports."""
