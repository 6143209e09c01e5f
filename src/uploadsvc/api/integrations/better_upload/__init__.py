"""Better Upload's protocol (``@better-upload/client`` 3)."""

from uploadsvc.api.integrations.better_upload.routes import better_upload_router

__all__ = ["better_upload_router"]
