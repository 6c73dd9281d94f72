"""The outermost layer of every request: time it, set the common headers, let no error out as a traceback."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.problems import MEDIA_TYPE, Problem
from api.telemetry import Telemetry

log = structlog.get_logger()
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HEADERS = [
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Envelope:
    """ASGI middleware."""

    def __init__(self, app: Any, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Only HTTP requests are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def outward(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, outward)
        except Exception:
            log.exception("a request failed", path=scope["path"])
            if status:
                raise  # the answer has begun: all that is left is to break off
            await answer(
                Problem(500, "the request failed in a way that is not its fault; the log says more"), scope["path"]
            )(scope, receive, outward)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            self._telemetry.request_seconds.labels(route, str(status)).observe(time.perf_counter() - started)


def answer(problem: Problem, path: str) -> Response:
    """A problem as a response."""
    return Response(
        orjson.dumps(problem.body(path[:200])),
        problem.status,
        {"Cache-Control": "no-store", **problem.headers},
        MEDIA_TYPE,
    )


def add_error_answers(app: FastAPI) -> None:
    """Problems and the framework's own errors leave as problem+json."""

    async def problem(request: Request, exc: Problem) -> Response:
        return answer(exc, request.url.path)

    async def framework(request: Request, exc: HTTPException) -> Response:
        detail = {
            404: "there is nothing at this address; /openapi.json lists what there is",
            405: f"{request.method} is not possible here",
        }.get(exc.status_code, str(exc.detail))
        return answer(Problem(exc.status_code, detail, headers=dict(exc.headers or {})), request.url.path)

    async def validation(request: Request, exc: RequestValidationError) -> Response:
        first = exc.errors()[0]
        return answer(Problem(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"), request.url.path)

    app.exception_handler(Problem)(problem)
    app.exception_handler(HTTPException)(framework)
    app.exception_handler(RequestValidationError)(validation)
