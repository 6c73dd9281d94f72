"""A machine in the foreground: signals, the live status, and the order in which things end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.errors import INTERRUPTED
from deploy.local.machine import Machine
from deploy.status import Status, read_status
from deploy.status_view import View
from deploy.wiring import store_of
from metric_defs import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.errors import StoreError
from streams.clock import system_clock

TICK_S = 0.2
STATUS_EVERY_S = 1.0


class Stopped(BaseException):
    """SIGTERM or the first Ctrl-C came: end in order, with exit code 0."""


@contextmanager
def stopping_on_signals(kill: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Raise Stopped in the main thread at the first SIGINT or SIGTERM; at the second ``kill`` and exit with 130."""
    came = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if came:
            if number == signal.SIGINT:
                kill()
                os._exit(INTERRUPTED)
            return
        came = True
        say("stopping (Ctrl-C again: at once)…" if number == signal.SIGINT else "stopping…")
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StatusPoll:
    """Reads the status again and again in a thread of its own, so that a slow answer holds up nobody."""

    def __init__(self, machine: Machine, registry: Registry) -> None:
        self.latest: Status | None = None
        self._machine, self._registry = machine, registry
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def __enter__(self) -> StatusPoll:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(2)

    def _run(self) -> None:
        store = ClickHouse(store_of(self._machine.settings))
        kafka = self._machine.settings.kafka.connection()
        while not self._over.wait(STATUS_EVERY_S):
            try:
                self.latest = read_status(self._registry, store, kafka, system_clock())
            except StoreError:
                self.latest = None  # shown again when the store answers again
        store.close()


def stay(machine: Machine, registry: Registry, view: View, head: str, also: Callable[[], None] | None = None) -> None:
    """Show the status and look after the processes until Stopped or ProcessGone is raised. ``also``: at every look."""
    shown: Status | None = None
    with StatusPoll(machine, registry) as poll:
        while True:
            machine.tend()
            if also is not None:
                also()
            if poll.latest is not None and poll.latest is not shown:
                shown = poll.latest
                view.show(shown, head)
            time.sleep(TICK_S)
