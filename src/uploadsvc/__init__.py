"""uploadsvc: presigned S3 uploads under per-user key prefixes."""
