"""Signed values of the service: upload ids, JWTs, receipts."""
