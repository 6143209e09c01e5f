"""Runs the app: uvicorn, worker processes, logging."""
