"""S3: signing, and the one client that talks to it."""
