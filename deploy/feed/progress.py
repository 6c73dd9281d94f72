"""How far a long step is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[[int, int | None, str], None]
"""(done so far, total or None while it is not known, a note such as '3 bad rows')."""

PLAIN_EVERY_S = 5.0
BAR_EVERY_S = 0.1


@contextmanager
def progress(
    title: str, stream: TextIO | None = None, monotonic_s: Callable[[], float] = time.monotonic
) -> Iterator[Report]:
    """A report callback that shows itself on ``stream`` (standard error), and the last figures when it is over."""
    out = stream or sys.stderr
    shown = _bar(title, out, monotonic_s) if out.isatty() else _plain(title, out, monotonic_s)
    with shown as report:
        yield report


@contextmanager
def _bar(title: str, out: TextIO, monotonic_s: Callable[[], float]) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(file=out)) as bars:
        task = bars.add_task(title, total=None, rate="", note="")
        started_s = next_s = monotonic_s()

        def report(done: int, total: int | None, note: str) -> None:
            nonlocal next_s
            now_s = monotonic_s()
            if now_s >= next_s or done == total:
                next_s = now_s + BAR_EVERY_S
                rate = f"{done / (now_s - started_s):,.0f}/s" if now_s > started_s else ""
                bars.update(task, completed=done, total=total, rate=rate, note=note)

        yield report


@contextmanager
def _plain(title: str, out: TextIO, monotonic_s: Callable[[], float]) -> Iterator[Report]:
    started_s = monotonic_s()
    next_s = started_s + PLAIN_EVERY_S
    last: tuple[int, int | None, str] | None = None

    def line(done: int, total: int | None, note: str) -> None:
        of = f" of {total:,} ({done / total:.0%})" if total else ""
        seconds = monotonic_s() - started_s
        rate = f", {done / seconds:,.0f}/s" if seconds > 0 else ""
        print(f"{title}: {done:,}{of} in {seconds:.1f} s{rate}" + (f", {note}" if note else ""), file=out, flush=True)

    def report(done: int, total: int | None, note: str) -> None:
        nonlocal next_s, last
        last = (done, total, note)
        if monotonic_s() >= next_s:
            next_s = monotonic_s() + PLAIN_EVERY_S
            line(done, total, note)

    try:
        yield report
    finally:
        if last is not None:
            line(*last)
