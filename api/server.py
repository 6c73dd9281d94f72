"""Composition root of an api process: bind, build, serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import structlog
import uvicorn

from api.app import create_app
from api.options import ApiOptions, ApiStartError
from sinks.clickhouse.client import ClickHouse

log = structlog.get_logger()
STORE_TIMEOUT_S = 10.0
"""No read of the api takes longer; a store that hangs frees its threads after that."""
BACKLOG = 1024


def run_api(options: ApiOptions, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. Calls ``ready`` with the address once it answers.

    Raises ApiStartError when the address cannot be had.
    """
    listener = _bind(options.host, options.port)
    store = ClickHouse(
        replace(options.store, read_timeout_s=min(options.store.read_timeout_s, STORE_TIMEOUT_S)), {"readonly": "2"}
    )
    config = uvicorn.Config(
        create_app(options, store, options.registry),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=options.stop_timeout_s,
        backlog=BACKLOG,
    )
    server = _Server(config, lambda: ready(_address(options.host, listener)))
    try:
        server.run(sockets=[listener])
    finally:
        store.close()
        listener.close()
    return 0 if server.told else 1


class _Server(uvicorn.Server):
    """Says when it serves, and ends with an exit code instead of the signal that it was told by."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.told = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first SIGTERM or SIGINT stops gracefully, a second SIGINT at once."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self.told = True
            await asyncio.get_running_loop().run_in_executor(None, self._ready)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as exc:
        listener.close()
        if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
            raise ApiStartError(
                f"port {port} on {host} is in use; stop what listens there or give another one (0: any free one)"
            ) from exc
        raise ApiStartError(f"cannot listen on {host}:{port}: {exc}") from exc
    return listener


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 -- compared, not bound
    return f"http://{shown}:{port}"
