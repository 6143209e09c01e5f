"""Better Upload's wire format (``@better-upload/client`` 3) over the same use cases."""

from uploadsvc.api.integrations.better_upload.routes import better_upload_router

__all__ = ["better_upload_router"]
