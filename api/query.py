"""Questions the snapshot does not answer: asked of the store under a deadline, few at a time, each once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from api.clock import Clock
from api.problems import unavailable
from metric_defs.compile.read import ReadPlan
from sinks.clickhouse.client import ClickHouse
from sinks.errors import StoreError

log = structlog.get_logger()
FRESH_MS = 1_000
"""An answer is given again to the same question for so long."""
KEPT_MS = 60_000
"""While the store is away, an answer may be given again for so long, marked stale."""
MAX_KEPT = 256
MAX_KEPT_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class ColdOptions:
    """``concurrency``: queries that may run at once; whoever waits longer than the deadline for a turn is sent away."""

    deadline_ms: int = 2_000
    concurrency: int = 4


@dataclass(frozen=True, slots=True)
class Rows:
    """Result rows, the moment they were asked for, and why there are no newer ones ('': they are new)."""

    rows: tuple[tuple[object, ...], ...]
    as_of_ms: int
    problem: str = ""


class ColdReader:
    """Runs read plans. ``pool`` has a thread for each of ``concurrency``."""

    def __init__(self, store: ClickHouse, pool: Executor, options: ColdOptions, clock: Clock) -> None:
        self._store, self._pool, self._options, self._clock = store, pool, options, clock
        self._turns = asyncio.Semaphore(options.concurrency)
        self._running: dict[str, asyncio.Task[Rows]] = {}
        self._kept: OrderedDict[str, Rows] = OrderedDict()

    async def rows(self, plan: ReadPlan) -> Rows:
        """The plan's rows, at most a second old. Raises Problem (503) when the store cannot answer in time."""
        question = f"{plan.sql} {sorted(plan.parameters.items())}"
        kept = self._kept.get(question)
        if kept is not None and self._clock() - kept.as_of_ms <= FRESH_MS:
            return kept
        running = self._running.get(question)
        if running is None:
            running = asyncio.create_task(self._ask(question, plan))
            self._running[question] = running
            running.add_done_callback(lambda _: self._running.pop(question, None))
        # shielded: who goes away must not take the answer from the others that wait for it
        return await asyncio.shield(running)

    async def _ask(self, question: str, plan: ReadPlan) -> Rows:
        try:
            await asyncio.wait_for(self._turns.acquire(), self._options.deadline_ms / 1000)
        except TimeoutError:
            raise unavailable(f"{self._options.concurrency} other queries are running; ask again soon") from None
        as_of_ms = self._clock()
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._read, plan)
        work.add_done_callback(self._end_turn)
        try:
            found = await asyncio.wait_for(asyncio.shield(work), self._options.deadline_ms / 1000 + 0.25)
        except (TimeoutError, StoreError) as exc:
            log.warning("a query was not answered", error=str(exc) or "deadline passed", cube=plan.cube)
            return self._last_good(question)
        answer = Rows(tuple(found), as_of_ms)
        if len(found) <= MAX_KEPT_ROWS:
            self._kept[question] = answer
            self._kept.move_to_end(question)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return answer

    def _read(self, plan: ReadPlan) -> list[tuple[object, ...]]:
        return self._store.rows(
            plan.sql, plan.parameters, {"max_execution_time": str(self._options.deadline_ms / 1000)}
        )

    def _end_turn(self, work: asyncio.Future[list[tuple[object, ...]]]) -> None:
        """Only a thread that is free again gives up its turn, also when nobody waits for it any more."""
        self._turns.release()
        if not work.cancelled():
            work.exception()  # taken note of

    def _last_good(self, question: str) -> Rows:
        kept = self._kept.get(question)
        if kept is None or self._clock() - kept.as_of_ms > KEPT_MS:
            raise unavailable(
                f"the store did not answer within {self._options.deadline_ms} ms; ask for less or ask again soon"
            )
        return Rows(kept.rows, kept.as_of_ms, "the store cannot be read")
