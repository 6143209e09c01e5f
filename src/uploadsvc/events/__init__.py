"""Events about uploads: what S3 tells, verified and delivered."""
