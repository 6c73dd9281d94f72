"""An api that serves in this process, on a port of its own, and a way to ask it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvicorn

from api.app import create_app
from api.options import ApiOptions
from sinks.clickhouse.client import ClickHouse
from tests.support.wait import wait_until


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; ``headers`` by lower-case name."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Api:
    """Where it answers."""

    url: str

    def get(
        self,
        path: str,
        query: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> Reply:
        """One request; ``query`` is escaped here."""
        url = self.url + path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
        request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as exc:
            answer = exc
        with answer:
            return Reply(answer.status, answer.read(), {k.lower(): v for k, v in answer.headers.items()})

    def figures(self, **query: str | Sequence[str]) -> list[dict[str, Any]]:
        """Those of /v1/live."""
        reply = self.get("/v1/live", query)
        assert reply.status == 200, reply.body
        found: list[dict[str, Any]] = reply.json()["figures"]
        return found


@contextmanager
def serving(options: ApiOptions, **clock: Any) -> Iterator[Api]:
    """The api of ``options`` on a free port, until the block ends."""
    store = ClickHouse(options.store, {"readonly": "2"})
    app = create_app(options, store, options.registry, **clock)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), 20, "the api serves")
        yield Api(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(10)
        store.close()
