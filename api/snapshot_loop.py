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
ANEW_S = 30.0
"""The whole ledger is read again this often: the store may have been replaced by an older one."""
SILENT_S = 3.0
"""A read that takes longer is told as a problem while it lasts."""
RETRY_S = 0.5
"""Pause before a store that failed is asked again."""


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
        self._read_anew_s = 0.0
        self._stamps = 0
        self._told = ""
        self.current: Snapshot | None = None
        self.problem = "the store has not been read yet"

    async def run(self) -> None:
        """Until cancelled. Turns follow the event loop's clock, which nobody sets."""
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[Snapshot | None] | None = None
        started_s = next_s = loop.time()
        while True:
            now_s = loop.time()
            if reading is not None and reading.done():
                self._finish(reading)
                wait_s = RETRY_S if self.problem else self._options.tick_ms / 1000
                next_s = started_s + max(2 * (now_s - started_s), wait_s)
                reading = None
            if reading is None and now_s >= next_s:
                started_s = now_s
                reading = loop.run_in_executor(self._pool, self._refresh, self._clock(), now_s)
            elif reading is not None and now_s - started_s > SILENT_S:
                self.problem = f"the store has not answered for {now_s - started_s:.0f} s"
            self._restamp(self._clock())
            timeout_s = self._options.tick_ms / 1000
            if reading is not None:
                await asyncio.wait((reading,), timeout=timeout_s)
            else:
                await asyncio.sleep(max(0.001, min(timeout_s, next_s - now_s)))

    def _finish(self, reading: asyncio.Future[Snapshot | None]) -> None:
        error = reading.exception()
        if error is None:
            self.current = reading.result() or self.current
            self.problem, self._told = "", ""
            return
        self.problem = "the store cannot be read"
        kind = f"{type(error).__name__} {getattr(error, 'code', '')}"
        if kind != self._told:  # once, not with every attempt
            self._told = kind
            trace = None if isinstance(error, StoreError) else error
            log.warning("no new figures; the last ones stay, marked stale", error=str(error), exc_info=trace)

    def _restamp(self, now_ms: int) -> None:
        current = self.current
        if current is None:
            return
        if abs(now_ms - current.stamped_ms) >= RESTAMP_MS or current.truth.problem != self.problem:
            self._stamps += 1
            self.current = current.stamped(self._stamps, now_ms, self.problem)

    def _refresh(self, now_ms: int, now_s: float) -> Snapshot | None:
        """Runs on the pool. The ledger is read before the cells: they hold at least what it says. None: no news."""
        anew = now_s >= self._read_anew_s
        before = LedgerView() if anew else self._ledger
        found = read_since(self._store, before.heads)
        ledger = before.with_new(found)
        if anew:
            self._read_anew_s = now_s + ANEW_S
        changed = ledger.heads != self._ledger.heads
        current, snapshot = self.current, None
        if (
            current is None
            or changed
            or current.truth.problem
            or pane_floor(current.cells.as_of_ms) != pane_floor(now_ms)
        ):
            snapshot = self._build(ledger, now_ms)
        self._ledger = ledger
        return snapshot

    def _build(self, ledger: LedgerView, now_ms: int) -> Snapshot:
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
        return first_snapshot(cells, ledger, self._hot, truth)

    def _read_cells(self, now_ms: int, freshness: Mapping[str, TopicFreshness]) -> Cells:
        if not self._hot.cubes:
            return Cells(now_ms, {}, (), {})
        plan = plan_hot(self._registry, self._hot, freshness, now_ms)
        rows = self._store.rows(plan.plan.sql, plan.plan.parameters)
        return cells_of(self._hot, plan, rows, now_ms)
