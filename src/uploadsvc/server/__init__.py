"""Run the app: uvicorn, worker processes, logging."""
