"""The pipeline's status for people: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from deploy.status import Status, TopicStatus

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

PLAIN_EVERY_S = 5.0


class View(Protocol):
    """Where a running command says what happens and how things stand."""

    def line(self, text: str) -> None:
        """Something happened."""

    def show(self, status: Status, head: str) -> None:
        """How things stand now; called as often as there is something to show."""


@contextmanager
def live_view(monotonic_s: Callable[[], float], stream: TextIO | None = None) -> Iterator[View]:
    """A view on standard error that fits what standard error is."""
    out = stream or sys.stderr
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        yield _Plain(out, monotonic_s)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        yield _Terminal(live)


def status_lines(status: Status) -> list[str]:
    """One line a topic, and one about Kafka if it is silent."""
    lines = [
        f"{t.topic}: {t.counted:,} counted, lag {t.lag:,}, {t.rate:,.0f}/s, {_age(t)}"
        + "".join(f", {n:,} {what}" for what, n in _exceptions(t) if n)
        for t in status.topics
    ]
    return lines + ([f"Kafka is silent, lags are those of the last flush: {status.kafka}"] if status.kafka else [])


def status_table(status: Status, head: str = "") -> Table:
    """The same as a table."""
    from rich.table import Table

    table = Table(title=head or None, title_justify="left", expand=False, caption=status.kafka or None)
    for name in ("topic", "lag", "records/s", "complete up to", "counted", "duplicate", "too late", "dead"):
        table.add_column(name, justify="left" if name == "topic" else "right")
    for t in status.topics:
        table.add_row(
            t.topic,
            f"{t.lag:,}",
            f"{t.rate:,.0f}",
            _age(t),
            *(f"{n:,}" for n in (t.counted, t.duplicate, t.too_late, t.dead)),
        )
    return table


class _Plain:
    def __init__(self, out: TextIO, monotonic_s: Callable[[], float]) -> None:
        self._out, self._monotonic_s = out, monotonic_s
        self._next_s = 0.0

    def line(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def show(self, status: Status, head: str) -> None:
        if self._monotonic_s() >= self._next_s:
            self._next_s = self._monotonic_s() + PLAIN_EVERY_S
            self.line(" | ".join(status_lines(status)))


class _Terminal:
    def __init__(self, live: Live) -> None:
        self._live = live

    def line(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def show(self, status: Status, head: str) -> None:
        self._live.update(status_table(status, head), refresh=True)


def _age(topic: TopicStatus) -> str:
    if topic.freshness_ms is None:
        return "nothing yet"
    seconds = topic.freshness_ms / 1000
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.1f} s ago"


def _exceptions(topic: TopicStatus) -> tuple[tuple[str, int], ...]:
    return ("duplicate", topic.duplicate), ("too late", topic.too_late), ("dead", topic.dead)
