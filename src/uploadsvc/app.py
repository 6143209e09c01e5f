"""The composition root: the only place where the parts are put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from uploadsvc import bootstrap as wiring
from uploadsvc.api.dependencies import Authenticate, authentication, path_authentication
from uploadsvc.api.integrations.better_upload import better_upload_router
from uploadsvc.api.integrations.simple import simple_router
from uploadsvc.api.integrations.uppy.companion import companion_router
from uploadsvc.api.integrations.uppy.credentials import credentials_router
from uploadsvc.api.integrations.uppy.sign_request import sign_router
from uploadsvc.api.middleware import RequestMiddleware
from uploadsvc.api.openapi import set_document
from uploadsvc.api.problems import register_problems
from uploadsvc.api.static import Demo, web_router
from uploadsvc.api.v1.health import health_router
from uploadsvc.api.v1.objects import objects_router
from uploadsvc.api.v1.parts import parts_router
from uploadsvc.api.v1.policies import policies_router
from uploadsvc.api.v1.receipts import keys_router
from uploadsvc.api.v1.tokens import tokens_router
from uploadsvc.api.v1.uploads import uploads_router
from uploadsvc.bootstrap.services import Services, build_services
from uploadsvc.services.readiness import Readiness
from uploadsvc.settings import Settings
from uploadsvc.tokens.jwts import DEMO, UPLOAD, ServiceTokens

_log = structlog.get_logger("uploadsvc")


def create_app(settings: Settings) -> FastAPI:
    """Return the service as an ASGI app. Its lifespan opens the S3 client.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    service = build_services(settings)
    verify, keys = wiring.jwt_verifier(settings)
    authenticator = wiring.authenticator(settings, verify)
    demo = demo_mode(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if demo is not None:
            _log.warning("demo_mode", meaning="anyone can upload as the demo users; never in production")
        for address in (settings.auth.jwt.jwks_url, settings.auth.jwt.issuer):
            if (address or "").startswith("http://"):
                _log.warning("token_keys_over_http", meaning="whoever sits between can forge any caller")
        async with service.open(), keys:
            yield

    app = FastAPI(
        title="uploadsvc",
        version=version("uploadsvc"),
        lifespan=lifespan,
        redoc_url=None,
        # A redirect to the address with a slash would name the host that the request named.
        redirect_slashes=False,
    )
    _include(app.router, service, authentication(authenticator))
    app.include_router(tokens_router(service.tokens, authentication(authenticator, user_needed=False)))
    in_path = path_authentication(ServiceTokens(wiring.secrets(settings), kind=UPLOAD, clock=wiring.now))
    app.include_router(companion_router(service.creator, service.uploads, in_path, prefix="/uppy/{token}"))
    app.include_router(health_router(Readiness(storage=service.storage, clock=wiring.now)))
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


def create_router(settings: Settings, *, authenticate: Authenticate) -> APIRouter:
    """Return the service's routes, for another FastAPI app to include under a path of its own.

    The app's lifespan then opens the S3 client too. Left out are what the app has itself (health, CORS, logs)
    and what only our own authentication would take: upload tokens.

    Args:
        settings: Those under ``auth``, ``cors``, ``tokens`` and ``demo`` are not looked at.
        authenticate: A dependency of that app's, which returns a `Principal` or raises.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    service = build_services(settings)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with service.open():
            yield

    router = APIRouter(lifespan=lifespan)
    _include(router, service, authenticate)
    return router


def _include(router: APIRouter, service: Services, authenticate: Authenticate) -> None:
    router.include_router(uploads_router(service.creator, service.uploads, authenticate))
    router.include_router(parts_router(service.uploads, authenticate))
    router.include_router(policies_router(service.creator.policies, authenticate))
    router.include_router(objects_router(service.objects, authenticate))
    router.include_router(simple_router(service.creator, authenticate))
    router.include_router(companion_router(service.creator, service.uploads, authenticate, prefix="/uppy"))
    router.include_router(sign_router(service.request_signer, authenticate))
    router.include_router(credentials_router(service.credential_issuer, authenticate))
    router.include_router(
        better_upload_router(
            service.creator, service.uploads, authenticate, service.actions, public_url=service.public_url
        )
    )
    router.include_router(keys_router(service.receipts))


def demo_mode(settings: Settings) -> Demo | None:
    """Return the demo's parts, or ``None`` outside demo mode."""
    if not settings.demo:
        return None
    endpoint = wiring.storage_and_presigner(settings)[1].endpoint
    tokens = ServiceTokens(wiring.secrets(settings), kind=DEMO, clock=wiring.now)
    return Demo(tokens=tokens, storage_origin=f"{endpoint.scheme}://{endpoint.host}", clock=wiring.now)
