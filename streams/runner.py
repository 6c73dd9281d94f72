"""One lane's loop: wait until a flush is due, prepare it on the kernel's thread, deliver it, acknowledge, again."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from metric_defs.compile.layout import VERDICTS
from sinks.clickhouse.writer import Flush
from sinks.errors import Fenced
from streams import telemetry
from streams.clock import Clock
from streams.deliver import Delivery
from streams.kernel import Kernel
from streams.lane import Buffered, Lane
from streams.prepare import prepare_flush

log = structlog.get_logger()
_LIVES = itertools.count(1)
LANDING_S = 3.0
"""How long a lane that is taken away waits for the insert under way."""


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """When to flush: at the latest ``interval_ms`` after records came, at once when ``full_records`` wait; a flush takes at
    most about ``max_records``. An idle lane says every ``heartbeat_ms`` that it is alive."""

    interval_ms: int = 1000
    full_records: int = 100_000
    max_records: int = 200_000
    heartbeat_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class Machinery:
    """What all lanes of a worker share. ``kernel_thread`` has one thread, the kernel's."""

    kernel: Kernel
    kernel_thread: Executor
    delivery: Delivery
    policy: FlushPolicy
    clock: Clock
    worker: str


class LaneRunner:
    """Runs until cancelled or fenced; ``on_fenced`` is then called once, ``on_room`` after every flush."""

    def __init__(
        self,
        lane: Lane,
        machinery: Machinery,
        on_room: Callable[[], None],
        on_fenced: Callable[[Lane], None],
        on_broken: Callable[[Lane, BaseException], None],
    ) -> None:
        self.lane = lane
        self._m = machinery
        # every life of a lane signs differently: a flush of an earlier life may still be under way, and must not pass for ours
        self._owner = f"{machinery.worker}.{next(_LIVES)}"
        self._on_room, self._on_fenced, self._on_broken = on_room, on_fenced, on_broken
        self._woken = asyncio.Event()
        self._flushed_at = time.monotonic()
        self.in_flight: list[Buffered] = []
        self._sending: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run(), name=f"lane {lane.name}")

    def wake(self) -> None:
        """Records were buffered."""
        self._woken.set()

    async def stop(self) -> None:
        """Take no more. A flush that is being sent gets a moment to land, so that the next owner reads a ledger that stands
        still; if it takes longer it may land later, which that owner's condition then finds out."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending], timeout=LANDING_S)
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while True:
                await self._due()
                await self._flush()
        except Fenced as exc:
            telemetry.FENCED.inc()
            log.warning("lane fenced, starting over from its ledger", lane=self.lane.name, reason=str(exc))
            self._on_fenced(self.lane)
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            self._on_broken(self.lane, exc)

    async def _due(self) -> None:
        """Wait for records and their interval, or for the time of a heartbeat."""
        policy = self._m.policy
        while not self.lane.buffer:
            self._woken.clear()
            idle_s = self._flushed_at + policy.heartbeat_ms / 1000 - time.monotonic()
            try:
                await asyncio.wait_for(self._woken.wait(), max(idle_s, 0.001))
            except TimeoutError:
                return
        due = self._flushed_at + policy.interval_ms / 1000
        while self.lane.records < policy.full_records and (left := due - time.monotonic()) > 0:
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), left)
            except TimeoutError:
                return

    async def _flush(self) -> None:
        m, lane = self._m, self.lane
        self._flushed_at = time.monotonic()
        self.in_flight = lane.take(m.policy.max_records)
        batches = [b.batch for b in self.in_flight]
        loop = asyncio.get_running_loop()
        with telemetry.FLUSH_SECONDS.labels("prepare").time():
            flush = await loop.run_in_executor(
                m.kernel_thread, prepare_flush, lane, batches, m.kernel, self._owner, m.clock()
            )
        with telemetry.FLUSH_SECONDS.labels("deliver").time():
            self._sending = asyncio.create_task(m.delivery.send(flush))
            await asyncio.shield(self._sending)
        lane.seq, lane.last_worker = flush.seq, self._owner
        done, self.in_flight = self.in_flight, []
        for buffered in done:
            buffered.event.ack()
        _tell(flush)
        self._on_room()


def _tell(flush: Flush) -> None:
    for entry in flush.entries:
        for verdict in VERDICTS:
            telemetry.RECORDS.labels(entry.topic, verdict).inc(getattr(entry, verdict))
    telemetry.FLUSH_BYTES.inc(flush.size_bytes)
