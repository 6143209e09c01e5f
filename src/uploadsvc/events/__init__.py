"""Events: verify S3's notifications, deliver events to receivers."""
