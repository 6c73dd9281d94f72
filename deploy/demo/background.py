"""Work beside the main thread, which alone may look after processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cancelled(Exception):
    """The work was told to end; raised by ``Background.check`` inside it."""


class Background(Generic[T]):
    """Runs ``act(background)`` in a thread. A daemon: it never holds up the end of the process."""

    def __init__(self, name: str, act: Callable[[Background[T]], T]) -> None:
        self._act = act
        self._cancelled = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return not self._thread.is_alive()

    def check(self) -> None:
        """Called by the work itself now and then. Raises Cancelled."""
        if self._cancelled.is_set():
            raise Cancelled

    def cancel(self, timeout_s: float) -> None:
        """Ask it to end and wait a while."""
        self._cancelled.set()
        self._thread.join(timeout_s)

    def reraise(self) -> None:
        """Raise what the work raised, if it did."""
        if self._error is not None:
            raise self._error

    def forgive(self) -> None:
        """The error was told; do not raise it again."""
        self._error = None

    def result(self) -> T:
        """What it returned; it must be done. Raises what it raised."""
        self.reraise()
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._act(self))
        except Cancelled:
            pass
        except BaseException as error:  # carried to the main thread
            self._error = error
