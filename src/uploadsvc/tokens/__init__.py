"""Everything that the service itself signs: upload ids, JWTs, receipts."""
