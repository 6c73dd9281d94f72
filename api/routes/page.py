"""The live page: files that come with the package, read once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import Response

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_router() -> APIRouter:
    """``/`` and every file of the page by its name below ``/web/``."""
    router = APIRouter(include_in_schema=False)
    for entry in sorted(files("api").joinpath("web").iterdir(), key=lambda e: e.name):
        kind = entry.name.rpartition(".")[2]
        if kind in _TYPES:
            path = "/" if entry.name == "index.html" else f"/web/{entry.name}"
            router.add_api_route(path, _serve(entry.read_bytes(), _TYPES[kind]), methods=["GET", "HEAD"])
    return router


def _serve(body: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag}

    async def file(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, media_type)

    return file
