"""``metricgrid demo --exit``: replay real orders at their own times, count them, prove the figures, stop."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.audit import run_audit
from deploy.demo.background import Background
from deploy.demo.counted import wait_until_counted
from deploy.demo.headlines import Headline, headlines, shown
from deploy.demo.options import DemoOptions
from deploy.errors import INTERRUPTED, OperatorError
from deploy.feed import completejourney
from deploy.feed.commands import COMPLETEJOURNEY, ReplayReport, run_replay
from deploy.feed.pacing import FULL_SPEED, Pacing
from deploy.foreground import TICK_S, Stopped, stopping_on_signals
from deploy.local.datadir import DataDirError
from deploy.local.machine import Machine
from deploy.local.ports import Ports, api_port
from deploy.settings import Effective
from deploy.topics import topic_ends
from deploy.wiring import registry_of, store_of
from metric_defs import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.totals import read_totals
from streams.clock import system_clock

KILL_AT = 1 / 3
SLOWEST_KILL_S = 3.0
"""With a worker to be killed, even a short replay takes this long, so that there is a middle to kill it in."""
FIGURES_WITHIN_S = 15.0


class NotProven(OperatorError):
    """The run went through, but a figure or the audit is not as it must be."""


def run_once(effective: Effective, options: DemoOptions) -> None:
    """Everything from an empty directory to a clean audit. Raises NotProven, or whatever kept it from the end."""
    registry = registry_of(effective.settings)
    completejourney.fitting_event(registry)
    api = effective.settings.api
    port = api.port if effective.origin("api.port") != "default" else 0
    with _directory(effective) as data_dir:
        settings = effective.settings.model_copy(update={"data_dir": data_dir})
        started_s = time.monotonic()

        def say(text: str) -> None:
            print(f"[{time.monotonic() - started_s:5.1f} s] {text}", file=sys.stderr, flush=True)

        machine = Machine(
            settings, registry, lambda: Ports(0, 0, api_port(api.host, port, insist=True)), options.workers, say
        )
        with stopping_on_signals(machine.kill, say):
            try:
                with machine:
                    machine.start()
                    _Run(machine, registry, options, say).through()
            except Stopped:
                sys.exit(INTERRUPTED)  # not proven: a script must not take this for success
        say("everything stopped")


class _Run:
    def __init__(self, machine: Machine, registry: Registry, options: DemoOptions, say: Callable[[str], None]) -> None:
        self._machine, self._registry, self._options, self._say = machine, registry, options, say
        self._kafka = machine.settings.kafka.connection()
        self._store = ClickHouse(store_of(machine.settings))
        self._topic = completejourney.fitting_event(registry).topic
        self._kill_from = "worker-1" if options.kill_worker else ""
        self._told_s = time.monotonic()

    def through(self) -> None:
        """Replay, count, show, audit. Raises NotProven."""
        if any(end > first for first, end in topic_ends(self._kafka, [self._topic]).values()):
            raise DataDirError(
                "the data directory holds events already, so the totals would not be those of this run",
                "name an empty directory with --data-dir, or none for a temporary one",
            )
        replayed = self._replay()
        wait_until_counted(self._store, topic_ends(self._kafka, self._topics()), self._tend, self._progress)
        self._say("all counted")
        figures = self._figures(replayed.expected)
        self._show(figures)
        wrong = [f"{f.metric} is {f.value}, must be {f.expected}" for f in figures if not f.right]
        audit = run_audit(self._registry, self._kafka, self._store, self._say)
        print("\n".join(audit.lines()), flush=True)
        self._store.close()
        if wrong or not audit.clean:
            what = [*wrong, *([] if audit.clean else ["the audit is not clean"])]
            raise NotProven("; ".join(what), "run it with --data-dir DIR to keep the evidence, then 'metricgrid audit'")

    def _topics(self) -> list[str]:
        return [event.topic for event in self._registry.events.values()]

    def _replay(self) -> ReplayReport:
        events = self._options.events
        pacing = Pacing(rate=max(events / SLOWEST_KILL_S, 1)) if self._kill_from else FULL_SPEED

        def act(work: Background[ReplayReport]) -> ReplayReport:
            return run_replay(
                COMPLETEJOURNEY,
                self._registry,
                self._kafka,
                now_ms=system_clock(),
                events=events,
                pacing=pacing,
                report=lambda done, total, note: work.check(),
            )

        self._say(f"replaying {events:,} order lines")
        work = Background("replay", act)
        try:
            while not work.done:
                self._tend()
                time.sleep(TICK_S)
        finally:
            work.cancel(5)
        report = work.result()
        self._say(f"{report.send.confirmed:,} order lines in Kafka after {report.send.seconds:.1f} s")
        if report.send.failed:
            raise NotProven(f"Kafka did not take {report.send.failed:,} records", "see logs/broker.log")
        return report

    def _tend(self) -> None:
        self._machine.tend()
        if self._kill_from and self._read() >= self._options.events * KILL_AT:
            pid = self._machine.pids.get(self._kill_from)
            if pid is not None:
                self._say(f"killing {self._kill_from} (process {pid}) after {self._read():,} records")
                os.kill(pid, signal.SIGKILL)
                self._kill_from = ""

    def _read(self) -> int:
        return sum(totals.read for totals in read_totals(self._store, 0).values())

    def _progress(self, counted: int, total: int) -> None:
        if time.monotonic() - self._told_s > 2:
            self._told_s = time.monotonic()
            self._say(f"counted {counted:,} of {total:,} ({counted / total:.0%})")

    def _figures(self, expected: dict[str, int]) -> list[Headline]:
        """The figures, as soon as they are right or when there is no more hope."""
        deadline_s = time.monotonic() + FIGURES_WITHIN_S
        while True:
            found = headlines(self._registry, self._machine.address, expected)
            if all(f.right for f in found) or time.monotonic() > deadline_s:
                return found
            self._machine.tend()
            time.sleep(TICK_S)

    def _show(self, figures: list[Headline]) -> None:
        if not figures:
            print("none of the headline metrics is in this registry: only the audit can tell", flush=True)
        currency = self._registry.settings.currency
        for f in figures:
            verdict = "as the input says" if f.right else f"but the input says {shown(f.expected, f.unit, currency)}"
            print(f"{f.metric:<14} {shown(f.value, f.unit, currency):>20}  {f.name} ({verdict})")
        totals = read_totals(self._store, 0)[self._topic]
        span_ms = totals.last_written_at - totals.first_written_at
        if span_ms:
            rate = (totals.read - totals.first_read) * 1000 / span_ms
            print(f"{'rate':<14} {rate:>18,.0f}/s  from the first flush written to the last, {span_ms / 1000:.1f} s")
        sys.stdout.flush()


@contextmanager
def _directory(effective: Effective) -> Iterator[Path]:
    """The directory that was named, or a temporary one, removed afterwards."""
    if effective.origin("data_dir") != "default":
        yield effective.settings.data_dir
        return
    path = Path(tempfile.mkdtemp(prefix="metricgrid-demo-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
