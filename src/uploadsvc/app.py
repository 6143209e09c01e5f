"""The composition root: the only place where the parts are put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from uploadsvc import wiring
from uploadsvc.api.dependencies import authentication
from uploadsvc.api.document import set_document
from uploadsvc.api.health import health_router
from uploadsvc.api.middleware import RequestMiddleware
from uploadsvc.api.objects import objects_router
from uploadsvc.api.problems import register_problems
from uploadsvc.api.uploads import uploads_router
from uploadsvc.api.web import Demo, web_router
from uploadsvc.dialects.simple import simple_router
from uploadsvc.handles import UploadIds, derive_key
from uploadsvc.logs import configure_logs
from uploadsvc.objects import Objects
from uploadsvc.readiness import Readiness
from uploadsvc.settings import Settings, load_settings
from uploadsvc.uploads import Uploads

_log = structlog.get_logger("uploadsvc")


def create_app(settings: Settings) -> FastAPI:
    """Return the service as an ASGI app. Its lifespan opens the S3 client.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    secrets = wiring.secrets(settings)
    storage, signer = wiring.storage_and_signer(settings)
    namespace = wiring.namespace(settings)
    authenticate = authentication(wiring.authenticator(settings))
    uploads = Uploads(
        planners=wiring.planners(settings),
        namespace=namespace,
        signer=signer,
        storage=storage,
        ids=UploadIds(secrets),
        receipts=wiring.receipts(settings),
        keeps_octet_stream=wiring.provider(settings).keeps_octet_stream,
        may_delete=settings.objects.delete,
        clock=wiring.now,
    )
    objects = Objects(
        namespace=namespace,
        signer=signer,
        storage=storage,
        may_delete=settings.objects.delete,
        download_expires_in=settings.downloads.expires_in,
        max_download_expires_in=settings.downloads.max_expires_in,
        clock=wiring.now,
    )
    demo = demo_mode(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if demo is not None:
            _log.warning("demo_mode", meaning="anyone can upload as the demo users; never in production")
        async with storage:
            yield

    app = FastAPI(
        title="uploadsvc",
        version=version("uploadsvc"),
        lifespan=lifespan,
        redoc_url=None,
        # A redirect to the address with a slash would name the host that the request named.
        redirect_slashes=False,
    )
    app.include_router(uploads_router(uploads, authenticate))
    app.include_router(objects_router(objects, authenticate))
    app.include_router(simple_router(uploads, authenticate))
    app.include_router(health_router(Readiness(storage=storage, clock=wiring.now)))
    app.include_router(web_router(demo))
    set_document(app)
    register_problems(app)
    app.add_middleware(RequestMiddleware)
    if origins := wiring.allowed_origins(settings):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_credentials=settings.cors.allow_credentials,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-On-Behalf-Of", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
            max_age=3600,
        )
    return app


def demo_mode(settings: Settings) -> Demo | None:
    """Return the demo's parts, or ``None`` outside demo mode."""
    if not settings.demo:
        return None
    endpoint = wiring.storage_and_signer(settings)[1].endpoint
    key = derive_key(wiring.secrets(settings)[0], "demo")
    return Demo(key=key, storage_origin=f"{endpoint.scheme}://{endpoint.host}", clock=wiring.now)


def app_from_environment() -> FastAPI:
    """Return the app by the process's own settings; each worker process starts here."""
    configure_logs(terminal=False)
    return create_app(load_settings())
