"""The embedded S3 behind ``uploadsvc dev``: an extra that ``uploadsvc serve`` never imports."""
