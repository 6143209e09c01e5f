"""Public entry points: the service as an app, or as a router for another app."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from uploadsvc.api.access_log import AccessLog
from uploadsvc.api.demo import DEMO_FILES, DEMO_USERS, Demo, demo_router
from uploadsvc.api.dependencies import (
    Authenticate,
    Authentication,
    RequestRates,
    counted,
    path_authentication,
)
from uploadsvc.api.direct_calls import DirectCall, HotPath, Key, direct_calls
from uploadsvc.api.docs import docs_router
from uploadsvc.api.events import push_router
from uploadsvc.api.integrations.better_upload import better_upload_router
from uploadsvc.api.integrations.simple import simple_router
from uploadsvc.api.integrations.uppy.companion import companion_router
from uploadsvc.api.integrations.uppy.credentials import credentials_router
from uploadsvc.api.integrations.uppy.sign_request import sign_router
from uploadsvc.api.middleware import Cors, RequestMiddleware, overloaded
from uploadsvc.api.openapi import set_document
from uploadsvc.api.problem_pages import problem_pages_router
from uploadsvc.api.problems import register_problems
from uploadsvc.api.static import web_router
from uploadsvc.api.v1.claims import claims_router
from uploadsvc.api.v1.health import health_router
from uploadsvc.api.v1.objects import all_objects_router, objects_router
from uploadsvc.api.v1.policies import policies_router
from uploadsvc.api.v1.receipts import receipts_router
from uploadsvc.api.v1.tokens import tokens_router
from uploadsvc.api.v1.uploads import uploads_router
from uploadsvc.auth.authenticator import Authenticator, JwtVerifier
from uploadsvc.auth.client_address import ADDRESSES_ATTRIBUTE, ClientAddresses
from uploadsvc.auth.jwks import JwksVerifier
from uploadsvc.bootstrap.auth import build_authenticator, build_jwt_verifier
from uploadsvc.bootstrap.services import Clock, Services, build_both, build_services, utc_now
from uploadsvc.bootstrap.sources import EventSources, build_sources
from uploadsvc.domain.cors import TRACING_HEADERS
from uploadsvc.domain.origins import ANY, named_origins
from uploadsvc.domain.principal import Principal
from uploadsvc.events.recent import RecentEvents
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.settings.web import CorsSettings
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = [
    "Metrics",
    "Principal",
    "Settings",
    "SettingsError",
    "create_app",
    "create_router",
    "load_settings",
]

_API_HEADERS: Final = ("authorization", "content-type", "x-api-key", "x-on-behalf-of", "x-request-id")
_log = structlog.get_logger("uploadsvc")


def create_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    check_bucket: bool = False,
    metrics: Metrics | None = None,
    tracer_provider: "TracerProvider | None" = None,
) -> FastAPI:
    """Create the service as an ASGI app. Its lifespan opens the S3 client.

    Args:
        settings: The settings.
        clock: Returns the current time, aware. Tests control it.
        check_bucket: Check the bucket in the background at the start, and log a problem.
        metrics: Metrics to count in; new ones by default. Available as ``app.state.metrics``.
        tracer_provider: OpenTelemetry tracer provider; by default the global one, if the process has set it.

    Raises:
        SettingsError: The settings are invalid.
    """
    metrics = Metrics() if metrics is None else metrics
    tracing = Tracing(tracer_provider)
    with metrics.following() as following:
        services, (jwts, keys) = build_both(
            lambda: build_services(settings, clock=clock, metrics=metrics, tracing=tracing),
            lambda: build_jwt_verifier(
                settings.auth, clock=clock, required=not settings.demo, metrics=metrics, tracing=tracing
            ),
        )
        authenticator = build_authenticator(settings, services, jwts)
        demo = _demo(settings, services)
        events = build_sources(settings, services, others=[demo.events] if demo else ())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if demo is not None:
            _log.warning("demo_mode", meaning="anyone can upload as the demo users; never in production")
        for address in (settings.auth.jwt.jwks_url, settings.auth.jwt.issuer):
            if (address or "").startswith("http://"):
                _log.warning(
                    "token_keys_over_http", meaning="anyone on the network path can forge any caller"
                )
        async with services.open(), events.open(), keys:
            if check_bucket:
                services.storage.run(services.readiness.report())
            yield
        # Another app may continue to count in these metrics.
        following.release()

    app = _Service(
        title="uploadsvc",
        version=version("uploadsvc"),
        lifespan=lifespan,
        openapi_url="/openapi.json" if settings.docs else None,
        # FastAPI's own page loads its scripts from another site.
        docs_url=None,
        redoc_url=None,
        # A redirect to the path with a slash would contain the request's Host.
        redirect_slashes=False,
        # Its spans would contain paths with upload tokens and ids. FastAPI releases without them ignore it.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    # Used by `uploadsvc dev`, which prints a demo user's token.
    app.state.demo = demo
    app.state.metrics = metrics
    # Takes over from the app that this one replaces; called when this one is replaced.
    app.state.kept = kept = _Kept(settings, jwts, services)
    app.state.take_over = lambda other: kept.take_over(other.state.kept)
    app.state.finish = events.finish
    if demo is not None:
        # Called at the signal to stop: streams of events would run on.
        app.state.on_stop = demo.events.close
    uploads = _include_calls(app, settings, services, authenticator, events)
    app.include_router(health_router(services.readiness))
    app.include_router(web_router(*(DEMO_FILES if demo else ())))
    if demo is not None:
        app.include_router(demo_router(demo))
    if settings.docs:
        app.include_router(docs_router(start=demo is None))
    set_document(app, public_url=settings.public_url)
    register_problems(app)
    addresses = ClientAddresses(settings.auth.trusted_networks)
    setattr(app.state, ADDRESSES_ATTRIBUTE, addresses)
    access_log = AccessLog(addresses=addresses, tracing=services.tracing)
    app.add_middleware(RequestMiddleware, access_log, metrics=metrics)
    if settings.cors.allow_origins:
        app.add_middleware(Cors, access_log=access_log, metrics=metrics, **_cors(settings.cors))  # type: ignore[arg-type] # of **options
    app.use_hot_path(direct_calls(uploads.routes), access_log)
    # Used by the server: its limits, the app for requests above them, and stop callbacks.
    app.state.limits = settings.server
    app.state.overloaded = app.wrapped(overloaded)
    app.state.on_drain = services.readiness.stop
    return app


def _include_calls(
    app: FastAPI,
    settings: Settings,
    services: Services,
    authenticator: Authenticator,
    events: EventSources,
) -> APIRouter:
    """Include all routes, and return the router of uploads."""
    rates = _request_rates(settings, services)
    authenticate = Authentication(authenticator, rates=rates)
    uploads = uploads_router(services.creator, services.uploads, authenticate)
    app.include_router(uploads)
    _include(app.router, settings, services, authenticate, events=events, rates=rates)
    without_user = Authentication(authenticator, user_needed=False, rates=rates)
    app.include_router(claims_router(services.claimer, without_user))
    app.include_router(all_objects_router(services.objects, without_user))
    app.include_router(tokens_router(services.token_issuer, without_user))
    in_path = path_authentication(services.upload_tokens, rates=rates)
    app.include_router(companion_router(services.creator, services.uploads, in_path, prefix="/uppy/{token}"))
    return uploads


@dataclass(frozen=True, slots=True)
class _Kept:
    """State that an app takes over from the one that it replaces, if its settings are the same."""

    settings: Settings
    jwts: JwtVerifier | None
    services: Services

    def take_over(self, other: "_Kept") -> None:
        ours, theirs = self.jwts, other.jwts
        # Raising the maximum age must not lose the keys while the provider is down.
        before = other.settings.auth.jwt
        same_login = self.settings.auth.jwt == before.model_copy(
            update={"keys_max_age": self.settings.auth.jwt.keys_max_age}
        )
        if isinstance(ours, JwksVerifier) and isinstance(theirs, JwksVerifier) and same_login:
            # Fetched keys, to authenticate calls while the provider is down.
            ours.take_over(theirs)
        if self.settings.s3 == other.settings.s3:
            self.services.readiness.take_over(other.services.readiness)
        # Otherwise a reload would give every user a new quota.
        if self.services.quotas and other.services.quotas:
            self.services.quotas.take_over(other.services.quotas)
        if self.services.rates and other.services.rates:
            self.services.rates.take_over(other.services.rates)


class _Service(FastAPI):
    """An app with a hot path."""

    def use_hot_path(self, calls: Mapping[Key, DirectCall], access_log: AccessLog) -> None:
        """Serve these operations without FastAPI, unless the app is changed later."""
        self._calls, self._around = calls, list(self.user_middleware)
        self._access_log = access_log
        self._routes_count = len(self.router.routes)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the app with all middleware around it."""
        stack = super().build_middleware_stack()
        return HotPath(
            stack,
            calls=self._calls,
            around=self.wrapped,
            enabled=self._is_unchanged,
            access_log=self._access_log,
        )

    def _is_unchanged(self) -> bool:
        """Return whether nothing was added that must see every request."""
        return (
            self.user_middleware == self._around
            and len(self.router.routes) == self._routes_count
            and not self.dependency_overrides
        )

    def wrapped(self, app: ASGIApp) -> ASGIApp:
        """Return another app with the same middleware around it."""
        for one in reversed(self._around):
            app = one.cls(app, *one.args, **one.kwargs)
        return app


def create_router(
    settings: Settings,
    *,
    authenticate: Authenticate,
    metrics: Metrics | None = None,
    tracer_provider: "TracerProvider | None" = None,
) -> APIRouter:
    """Create a router, for another FastAPI app to include under any path.

    The lifespan of that app opens the S3 client too. The router has no health checks, CORS or logging, which
    the app has itself, and no upload tokens, which only the service's own authentication accepts.

    Args:
        settings: The settings. ``auth``, ``cors``, ``tokens``, ``demo``, ``docs`` and ``limits.address`` have
            no effect.
        authenticate: A dependency of the app that returns a `Principal` or raises.
        metrics: Metrics to count in, for example to register them with prometheus-client.
        tracer_provider: OpenTelemetry tracer provider; by default the global one, if the process has set it.

    Raises:
        SettingsError: The settings are invalid.
    """
    services = build_services(settings, metrics=metrics, tracing=Tracing(tracer_provider))
    events = build_sources(settings, services)
    rates = _request_rates(settings, services)
    authenticate = counted(authenticate, rates)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with services.open(), events.open():
            yield

    router = APIRouter(lifespan=lifespan)
    router.include_router(uploads_router(services.creator, services.uploads, authenticate))
    _include(router, settings, services, authenticate, events=events, rates=rates)
    router.include_router(claims_router(services.claimer, authenticate))
    router.include_router(all_objects_router(services.objects, authenticate))
    return router


def _include(
    router: APIRouter,
    settings: Settings,
    services: Services,
    authenticate: Authenticate,
    *,
    events: EventSources,
    rates: RequestRates | None,
) -> None:
    router.include_router(policies_router(services.policies, authenticate))
    router.include_router(objects_router(services.objects, authenticate))
    router.include_router(simple_router(services.creator, authenticate))
    router.include_router(companion_router(services.creator, services.uploads, authenticate, prefix="/uppy"))
    router.include_router(sign_router(services.request_signer, authenticate))
    router.include_router(credentials_router(services.credential_issuer, authenticate))
    router.include_router(
        better_upload_router(
            services.creator,
            services.uploads,
            authenticate,
            services.action_tokens,
            public_url=settings.public_url,
            rates=rates,
        )
    )
    router.include_router(receipts_router(services.receipts))
    router.include_router(problem_pages_router())
    if events.push is not None:
        router.include_router(push_router(events.push))


def _request_rates(settings: Settings, services: Services) -> RequestRates | None:
    if services.rates is None or not services.rates.of_requests:
        return None
    return RequestRates(services.rates, ClientAddresses(settings.auth.trusted_networks))


def _cors(cors: CorsSettings) -> dict[str, Any]:
    named = named_origins(cors.allow_origins)
    return {
        "allow_origins": [ANY] if ANY in cors.allow_origins else named.exact,
        "allow_origin_regex": named.patterns and named.patterns.pattern,
        "allow_credentials": cors.allow_credentials,
        "allow_methods": ["GET", "POST", "DELETE"],
        "allow_headers": sorted({*_API_HEADERS, *TRACING_HEADERS, *cors.allow_headers}),
        "expose_headers": ["RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
        "max_age": 3600,
    }


def _demo(settings: Settings, services: Services) -> Demo | None:
    if services.demo_tokens is None:
        return None
    endpoint = settings.s3.public_endpoint
    return Demo(
        tokens=services.demo_tokens,
        storage_origin=f"{endpoint.scheme}://{endpoint.host}",
        hosts=settings.demo_hosts,
        clock=services.clock,
        events=RecentEvents(DEMO_USERS),
    )
