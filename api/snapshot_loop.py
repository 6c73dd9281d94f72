"""Keeps the current snapshot: reads when there is something new, never twice at once, and blocks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from api.clock import Clock
from api.figures import Truth
from api.freshness import TopicFreshness, by_topic
from api.hot import hot_set, plan_hot
from api.ledger_view import LedgerView
from api.snapshot import Cells, Snapshot, cells_of, first_snapshot
from api.windows import pane_floor
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.ledger import read_since
from sinks.errors import StoreError

log = structlog.get_logger()
RESTAMP_MS = 1_000
"""A snapshot's freshness is told anew this often, also while nothing changes or the store is away."""
ANEW_MS = 30_000
"""The whole ledger is read again this often: the store may have been replaced by an older one."""
SILENT_MS = 3_000
"""A read that takes longer is told as a problem while it lasts."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """``tick_ms``: how often the ledger is looked at. ``max_keys``: with more keys only totals are kept ready."""

    tick_ms: int = 250
    stale_after_ms: int = 30_000
    max_keys: int = 5_000


class SnapshotLoop:
    """``current`` is replaced, never changed. ``on_built`` is told how many seconds each build took."""

    def __init__(
        self,
        store: ClickHouse,
        registry: Registry,
        options: LoopOptions,
        clock: Clock,
        pool: Executor,
        on_built: Callable[[float], None],
    ) -> None:
        self._store, self._registry, self._options, self._clock, self._pool = store, registry, options, clock, pool
        self._on_built = on_built
        self._hot = hot_set(registry)
        self._ledger = LedgerView()
        self._read_anew_at_ms = 0
        self._stamps = 0
        self._told = ""
        self.current: Snapshot | None = None
        self.problem = "the store has not been read yet"

    async def run(self) -> None:
        """Until cancelled."""
        reading: asyncio.Future[None] | None = None
        started_ms, next_ms = 0, 0
        while True:
            now_ms = self._clock()
            if reading is not None and reading.done():
                self._finish(reading)
                next_ms = max(started_ms + 2 * (now_ms - started_ms), started_ms + self._options.tick_ms)
                reading = None
            if reading is None and now_ms >= next_ms:
                started_ms = now_ms
                reading = asyncio.get_running_loop().run_in_executor(self._pool, self._refresh, now_ms)
            elif reading is not None and now_ms - started_ms > SILENT_MS:
                self.problem = f"the store has not answered for {(now_ms - started_ms) / 1000:.0f} s"
            self._restamp(now_ms)
            timeout_s = self._options.tick_ms / 1000
            if reading is not None:
                await asyncio.wait((reading,), timeout=timeout_s)
            else:
                await asyncio.sleep(max(0.001, min(timeout_s, (next_ms - now_ms) / 1000)))

    def _finish(self, reading: asyncio.Future[None]) -> None:
        error = reading.exception()
        if error is None:
            self.problem, self._told = "", ""
            return
        self.problem = "the store cannot be read"
        if str(error) != self._told:  # once, not four times a second
            self._told = str(error)
            log.warning(
                "the store cannot be read; the last figures stay, marked stale",
                error=self._told,
                exc_info=None if isinstance(error, StoreError) else error,
            )

    def _restamp(self, now_ms: int) -> None:
        current = self.current
        if current is not None and (now_ms - current.stamped_ms >= RESTAMP_MS or current.truth.problem != self.problem):
            self._stamps += 1
            self.current = current.stamped(self._stamps, now_ms, self.problem)

    def _refresh(self, now_ms: int) -> None:
        """Runs on the pool. The ledger is read before the cells, so that they hold at least what it says."""
        anew = now_ms >= self._read_anew_at_ms
        before = LedgerView() if anew else self._ledger
        found = read_since(self._store, before.heads)
        ledger = before.with_new(found)
        if anew:
            self._read_anew_at_ms = now_ms + ANEW_MS
        changed = ledger.heads != self._ledger.heads
        current = self.current
        if (
            current is None
            or changed
            or current.truth.problem
            or pane_floor(current.cells.as_of_ms) != pane_floor(now_ms)
        ):
            self._build(ledger, now_ms)
        self._ledger = ledger

    def _build(self, ledger: LedgerView, now_ms: int) -> None:
        freshness = by_topic(ledger.entries)
        cells = self._read_cells(now_ms, freshness)
        if self._hot.keyed is not None and len(cells.keys()) > self._options.max_keys:
            log.warning(
                "too many keys to keep figures ready for each; they are read when asked for",
                keys=len(cells.keys()),
                max=self._options.max_keys,
            )
            self._hot = hot_set(self._registry, with_keys=False)
            cells = self._read_cells(now_ms, freshness)
        built_ms = self._clock()
        self._on_built((built_ms - now_ms) / 1000)
        truth = Truth(built_ms, now_ms, freshness, self._options.stale_after_ms)
        self.current = first_snapshot(cells, ledger, self._hot, truth)

    def _read_cells(self, now_ms: int, freshness: Mapping[str, TopicFreshness]) -> Cells:
        if not self._hot.cubes:
            return Cells(now_ms, {}, (), {})
        plan = plan_hot(self._registry, self._hot, freshness, now_ms)
        rows = self._store.rows(plan.plan.sql, plan.plan.parameters)
        return cells_of(self._hot, plan, rows, now_ms)
