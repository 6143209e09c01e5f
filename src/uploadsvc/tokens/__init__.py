"""What this service signs and seals itself: ids, JWTs, receipts."""
