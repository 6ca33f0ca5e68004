"""The application: routes, limits, counters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

import ctcasr
from ctcasr.runtime import Recognizer
from ctcasr.serve.live import Live
from ctcasr.serve.metrics import Metrics
from ctcasr.serve.refusing import BodyLimit, RefusalError, check_token, refuse
from ctcasr.serve.settings import ServeSettings
from ctcasr.serve.transcriptions import Transcriptions
from ctcasr.serve.work import Work

PAGE = "page.html"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
        "connect-src 'self' ws: wss:; media-src blob:; worker-src blob:; img-src data:"
    ),
    "Referrer-Policy": "no-referrer",
}


def make_app(recognizer: Recognizer, settings: ServeSettings | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    `POST /v1/audio/transcriptions`, `GET /v1/models`, WebSocket `/v1/live`, `GET /health`, `GET /metrics`, and the
    page at `/`.
    """
    settings = settings or ServeSettings()
    metrics = Metrics()
    work = Work(settings.jobs, settings.queue, "recordings")
    live_work = Work(settings.jobs, 4 * settings.live, "live chunks")
    live = Live(recognizer, settings, live_work, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        work.close()
        live_work.close()

    app = FastAPI(
        title="ctcasr", version=ctcasr.__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.add_middleware(BodyLimit, most=settings.upload_bytes)
    app.add_exception_handler(RefusalError, refuse)

    @app.middleware("http")
    async def watch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            if request.url.path.startswith("/v1/"):
                check_token(settings.token, request.headers.get("authorization"))
            response = await call_next(request)
        except RefusalError as refusal:
            response = refusal.answer()
        metrics.add("requests_total", label=f'status="{response.status_code}"')
        return response

    transcriptions = Transcriptions(recognizer, settings, work, metrics)
    app.add_api_route("/v1/audio/transcriptions", transcriptions, methods=["POST"], response_model=None)
    app.add_api_websocket_route("/v1/live", live)
    _add_pages(app, recognizer, settings)

    @app.get("/metrics")
    async def _metrics() -> PlainTextResponse:
        gauges = {"running": work.running, "waiting": work.waiting, "live_connections": live.connections}
        return PlainTextResponse(metrics.text(**gauges), media_type="text/plain; version=0.0.4")

    return app


def _add_pages(app: FastAPI, recognizer: Recognizer, settings: ServeSettings) -> None:
    name = recognizer.bundle.description.name
    page = resources.files("ctcasr.serve").joinpath(PAGE).read_text(encoding="utf-8")

    @app.get("/")
    async def _page() -> HTMLResponse:
        return HTMLResponse(page, headers=HEADERS)

    @app.get("/health")
    async def _health() -> JSONResponse:
        return JSONResponse({"status": "ok", "model": name, "needs_token": settings.token is not None})

    @app.get("/v1/models")
    async def _models() -> JSONResponse:
        model = {"id": name, "object": "model", "created": 0, "owned_by": "ctcasr"}
        return JSONResponse({"object": "list", "data": [model]})


__all__ = ["make_app"]
