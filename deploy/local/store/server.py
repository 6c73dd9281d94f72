"""The process: claims the directory, opens the engine, listens on loopback, and ends in order."""

import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import uvicorn

from deploy.errors import OperatorError
from deploy.local.datadir import lock, prepare_data_dir
from deploy.local.lifetime import die_with_parent
from deploy.local.store.app import StoreApp
from deploy.local.store.engine import Engine
from deploy.local.store.errors import StartError

_HOST = "127.0.0.1"
_EX_CONFIG = 78
_GRACE_S = 8.0  # for running statements after SIGTERM; then they are stopped
_LAST_S = 6.0  # after that the process ends whatever happens: an acknowledged insert is on disk already


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: it would end the process by the signal instead of with exit code 0."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve_store(data_dir: Path, port: int, ready: Callable[[int], None] | None = None) -> int:
    """Serve the store of ``data_dir`` on 127.0.0.1:``port`` (0: a free one) until SIGTERM or SIGINT.

    ``ready`` is called with the port once the store answers. Ends with the process that started it: run it under a
    supervisor, a shell takes it along. Returns the exit code: 0 stopped, 78 cannot start (directory in use, full or
    not writable, port in use); why goes to stderr in one line.
    """
    die_with_parent()
    _raise_file_limit()
    try:
        path = prepare_data_dir(data_dir)
        if any(sign in str(path) for sign in "?&%#"):  # the engine takes its path as a URL
            raise StartError(f"{path} has one of ? & % # in its path", "name another directory with --data-dir")
        with lock(path, "store.lock", leftover_s=1.0):
            _serve(path, port, ready)
    except OperatorError as error:
        print(f"store: {error.what}; {error.hint}", file=sys.stderr, flush=True)
        return _EX_CONFIG
    return 0


def _serve(data_dir: Path, port: int, ready: Callable[[int], None] | None) -> None:
    with _listening(port) as listener:
        engine = Engine(data_dir / "engine", data_dir / "config")
        app = StoreApp(engine, f"metricgrid {data_dir.name}")
        config = uvicorn.Config(
            app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=int(_GRACE_S)
        )
        actual_port = int(listener.getsockname()[1])
        server = _Server(config, lambda: ready(actual_port) if ready else None)
        _stop_on_signal(server, engine)
        server.run([listener])
        app.close()
        engine.close()


def _raise_file_limit() -> None:
    """The engine keeps three descriptors for each of its up to 200 threads, besides the parts it reads."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a limit they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
            listener.listen(128)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"cannot listen on {_HOST}:{port}: {reason}", "choose another port, or 0") from error
        yield listener


def _stop_on_signal(server: uvicorn.Server, engine: Engine) -> None:
    """SIGTERM and SIGINT: finish what runs, stop it after the grace time, end the process at last in any case."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not server.should_exit:
            server.should_exit = True
            for delay_s, act in ((_GRACE_S, lambda: engine.kill("")), (_GRACE_S + _LAST_S, lambda: os._exit(1))):
                timer = threading.Timer(delay_s, act)
                timer.daemon = True
                timer.start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
