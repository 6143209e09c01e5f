"""S3: signatures and clients."""
