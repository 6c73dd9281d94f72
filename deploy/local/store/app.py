"""ClickHouse's HTTP interface in front of an Engine."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from deploy.local.store.compression import encode_body
from deploy.local.store.engine import Engine, Job, Outcome
from deploy.local.store.errors import StoreError, refused
from deploy.local.store.request import query_id_of, read_job

# Several connections of one process run beside each other; two lanes, so that slow reads never hold up an insert.
READERS = 4
WRITERS = 3
_MAX_BODY_BYTES = 1 << 30
_BIG_BYTES = 1 << 15  # reading or packing more than this would hold up the other requests
_KILL_AGAIN_S = 0.2
_LOCAL_NAMES = frozenset(("127.0.0.1", "localhost", "[::1]"))
_TEXT = "text/plain; charset=UTF-8"
_CONTENT_TYPES = (
    (("JSONEachRow", "JSONCompactEachRow", "JSONLines", "NDJSON"), "application/x-ndjson; charset=UTF-8"),
    (("JSON",), "application/json; charset=UTF-8"),
    (("TabSeparated", "TSV"), "text/tab-separated-values; charset=UTF-8"),
    (("CSV",), "text/csv; charset=UTF-8; header=absent"),
)

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Message = MutableMapping[str, Any]


class StoreApp:
    """The ASGI application. ``close`` waits for the statements that are running."""

    def __init__(self, engine: Engine, display_name: str) -> None:
        self._engine = engine
        self._lanes = {
            "read": ThreadPoolExecutor(READERS, "reader"),
            "write": ThreadPoolExecutor(WRITERS, "writer"),
        }
        self._headers = {
            "X-ClickHouse-Timezone": engine.timezone,
            "X-ClickHouse-Server-Display-Name": display_name,
        }

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """One HTTP request."""
        request = Request(scope, receive)
        query_id = query_id_of(request)
        try:
            response = await self._answer(request, query_id)
        except StoreError as error:
            response = Response(error.text + "\n", error.status, media_type=_TEXT)
            response.headers["X-ClickHouse-Exception-Code"] = str(error.code)
        except ClientDisconnect:
            return  # nobody is there to answer
        response.headers.update({"X-ClickHouse-Query-Id": query_id, **self._headers})
        await response(scope, receive, send)

    async def _answer(self, request: Request, query_id: str) -> Response:
        host = request.headers.get("host", "").rpartition(":")
        # A page in the user's browser can reach loopback too: it sends Origin, or comes under a name of its own.
        if "origin" in request.headers or (host[0] or host[2]) not in _LOCAL_NAMES:
            raise refused(497, "ACCESS_DENIED", "This store answers programs of this machine, no web pages")
        path = request.url.path
        if path in ("/ping", "/replicas_status") or (path == "/" and not _asks(request)):
            return Response("Ok.\n", media_type=_TEXT)
        if path != "/":
            return Response(f"There is no handle {path}\n", 404, media_type=_TEXT)
        body = await _read_body(request)
        job = await _off_loop(len(body), read_job, request, body, query_id, self._engine.table_functions)
        outcome = await self._run(request, job)
        return await _off_loop(len(outcome.body), _respond, request, job, outcome)

    async def _run(self, request: Request, job: Job) -> Outcome:
        """Run the statement in its lane. A read whose caller has gone is stopped, a write that arrived is done."""
        running = self._lanes[job.statement.lane].submit(self._engine.run, job)
        work = asyncio.wrap_future(running)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            while job.statement.lane == "read" and not work.done():
                if running.cancel():  # it was still waiting its turn
                    raise ClientDisconnect
                await asyncio.to_thread(self._engine.kill, job.tag)
                await asyncio.wait((work,), timeout=_KILL_AGAIN_S)  # the engine may not have known it yet
            return await work
        finally:
            gone.cancel()

    def close(self) -> None:
        """Take no more statements and wait for those that run."""
        for lane in self._lanes.values():
            lane.shutdown(wait=True, cancel_futures=True)


async def _off_loop(size_bytes: int, act: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    return await asyncio.to_thread(act, *args, **kwargs) if size_bytes > _BIG_BYTES else act(*args, **kwargs)


def _asks(request: Request) -> bool:
    return request.method == "POST" or "query" in request.query_params


async def _read_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > _MAX_BODY_BYTES:
            raise refused(241, "MEMORY_LIMIT_EXCEEDED", f"The body is longer than {_MAX_BODY_BYTES} bytes: send less")
    return b"".join(parts)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _respond(request: Request, job: Job, outcome: Outcome) -> Response:
    accepted = request.headers.get("accept-encoding")
    if request.query_params.get("enable_http_compression") == "0":
        accepted = None
    body, encoding = encode_body(outcome.body, accepted)
    response = Response(body, media_type=_content_type(job.output_format))
    response.headers["X-ClickHouse-Format"] = job.output_format
    response.headers["X-ClickHouse-Summary"] = json.dumps(
        {
            "read_rows": str(outcome.read_rows),
            "read_bytes": str(outcome.read_bytes),
            "written_rows": str(outcome.written_rows),
            "written_bytes": str(outcome.written_bytes),
            "elapsed_ns": str(outcome.elapsed_ns),
        }
    )
    if encoding:
        response.headers["Content-Encoding"] = encoding
    return response


def _content_type(output_format: str) -> str:
    for names, content_type in _CONTENT_TYPES:
        if output_format.startswith(names):
            return content_type
    return "application/octet-stream"
