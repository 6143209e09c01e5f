"""A site whose pages use the npm package."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.support.servers import S3Server, free_port
from tests.support.service import token_for


@dataclass(slots=True, kw_only=True)
class Site:
    """Pages, the service that they upload to, and its bucket.

    Attributes:
        s3: The S3 server.
        service: Origin of the service.
        pages: Origin of the pages.
        next_port: Port whose pages may call the service too.
        folders: Folders of files, by the first segment of their path.
        html: Pages, by their name, each with its content security policy.
    """

    s3: S3Server
    service: str = ""
    pages: str = ""
    next_port: int = field(default_factory=free_port)
    folders: dict[str, Path] = field(default_factory=dict)
    html: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def app(self) -> Starlette:
        """The pages, as an app."""
        return Starlette(
            routes=[
                Route("/token", lambda _: PlainTextResponse(token_for("alice"))),
                Route("/pages/{name}", self._page),
                Route("/{folder}/{path:path}", self._file),
            ]
        )

    async def _page(self, request: Request) -> Response:
        html, policy = self.html[request.path_params["name"]]
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    async def _file(self, request: Request) -> Response:
        return FileResponse(self.folders[request.path_params["folder"]] / request.path_params["path"])

    async def content(self, key: str) -> bytes:
        """Read an object."""
        async with self.s3.client() as client:
            found = await client.get_object(Bucket=self.s3.bucket, Key=key)
            return await found["Body"].read()

    @property
    def storage(self) -> str:
        """Origin of the S3 server."""
        address = urlsplit(self.s3.endpoint_url or "")
        return f"{address.scheme}://{address.netloc}"
