"""Server: uvicorn, worker processes, logging."""
