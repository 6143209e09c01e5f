"""Verify S3's notifications, and deliver events."""
