"""All lanes of a worker: given and taken by the consumer group, fed by the agents, run each by its own loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import structlog
from faust.types import TP

from metric_defs.models import Event
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.fault_points import reach
from streams import telemetry
from streams.deliver import patiently
from streams.lane import Lane, lane_name
from streams.restore import restore_lane
from streams.runner import LaneRunner, Machinery

log = structlog.get_logger()


class LedgerAheadOfLog(RuntimeError):
    """The ledger has counted offsets that the topic does not have: it was deleted and made anew, or is another one."""


class LaneManager:
    """Owns the lane runners. ``budget_bytes`` bounds what is fetched and not yet durable."""

    def __init__(
        self,
        registry: Registry,
        store: ClickHouse,
        machinery: Machinery,
        store_pool: Executor,
        budget_bytes: int,
        broken: Callable[[BaseException], None],
    ) -> None:
        self._events: dict[str, Event] = {e.topic: e for e in registry.events.values()}
        self._store, self._machinery, self._pool, self._budget_bytes, self._broken = (
            store,
            machinery,
            store_pool,
            budget_bytes,
            broken,
        )
        self._runners: dict[str, LaneRunner] = {}
        self._lane_of: dict[TP, str] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()
        self.consumer: Any = None

    async def accept(self, event: Any) -> None:
        """Buffer one batch from an agent; waits while the budget is used up, which makes fetching stop."""
        await self._room.wait()
        batch = event.value
        tp = TP(batch.topic, batch.partition)
        runner = self._runners.get(self._lane_of.get(tp, ""))
        if runner is None or batch.generation != self.consumer._thread._consumer._coordinator.generation:
            self.consumer.forget(event.message)  # revoked while it was queued: the new owner reads it
            return
        back_to = runner.lane.offer(batch, event)
        if back_to is not None:
            self.consumer.forget(event.message)
            log.warning(
                "records missing before a batch, reading again",
                topic=tp.topic,
                partition=tp.partition,
                from_offset=back_to,
                got=batch.fetch_offset,
            )
            await self.consumer.rewind({tp: back_to})
            return
        reach("batch_accepted")
        runner.wake()
        self._measure()

    async def on_restore(self, assigned: set[TP]) -> Mapping[TP, int]:
        """Called when partitions were assigned: build their lanes from the ledger, and say where to read on."""
        await self._stop(set(self._runners))
        groups: defaultdict[tuple[int, int], set[TP]] = defaultdict(set)
        for tp in assigned:
            groups[await self._partition_count(tp.topic), tp.partition].add(tp)
        positions: dict[TP, int] = {}
        for (count, index), tps in groups.items():
            lane = await self._restored(lane_name(count, index), index, tps)
            for tp in tps:
                positions[tp] = lane.progress[tp.topic].fetched
                self._lane_of[tp] = lane.name
            self._start(lane)
        still = self.consumer.assignment()
        log.info(
            "lanes assigned",
            lanes=sorted(self._runners),
            positions={f"{tp.topic}-{tp.partition}": o for tp, o in sorted(positions.items())},
        )
        return {tp: offset for tp, offset in positions.items() if tp in still}

    async def on_revoke(self, revoked: set[TP]) -> None:
        """Called before partitions are taken away: what is not durable is dropped; its next owner reads it again."""
        await self._stop({self._lane_of.pop(tp) for tp in revoked if tp in self._lane_of})

    async def stop(self) -> None:
        """Stop every lane."""
        await self._stop(set(self._runners))

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing is buffered or under way; False when that took longer than ``timeout_s``."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while any(r.lane.buffer or r.in_flight for r in self._runners.values()):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _partition_count(self, topic: str) -> int:
        """How many partitions the topic has; waits until the cluster's metadata says so, because a guess would name another lane."""
        while True:
            known = self.consumer._thread._consumer.partitions_for_topic(topic)
            if known:
                return len(known)
            await asyncio.sleep(0.05)

    async def _restored(self, name: str, index: int, tps: set[TP]) -> Lane:
        events = {tp.topic: self._events[tp.topic] for tp in tps}
        loop = asyncio.get_running_loop()
        lane = await patiently(
            lambda: loop.run_in_executor(self._pool, restore_lane, self._store, name, index, events),
            f"the ledger of lane {name}",
        )
        reach("ledger_read")
        first = await self.consumer.earliest_offsets(*tps)
        ends = await self.consumer.highwaters(*tps)
        for tp in tps:
            progress = lane.progress[tp.topic]
            low, end = first[tp], ends[tp]
            if progress.counted > end:
                raise LedgerAheadOfLog(
                    f"{tp.topic}-{tp.partition} ends at offset {end}, but {progress.counted} records of it were counted: the topic was made anew. "
                    "Give the new topic another name, or drop the panes of the old one, then start again"
                )
            if 0 <= progress.counted < low:
                telemetry.LOST.labels(tp.topic).inc(low - progress.counted)
                log.error(
                    "records lost: the log dropped them before they were counted",
                    topic=tp.topic,
                    partition=tp.partition,
                    first_lost=progress.counted,
                    first_kept=low,
                    lost=low - progress.counted,
                )
            start = max(progress.counted, low)
            progress.counted = progress.fetched = start
            progress.end_offset = max(end, start)
        return lane

    def _start(self, lane: Lane) -> None:
        self._runners[lane.name] = LaneRunner(lane, self._machinery, self._measure, self._fenced, self._lane_broken)
        telemetry.LANES.set(len(self._runners))

    def _fenced(self, lane: Lane) -> None:
        """Called from the lane's own task, which must end before the lane is rebuilt."""
        task = asyncio.create_task(self._start_over(lane), name=f"start over {lane.name}")
        self._starting.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        if not task.cancelled() and (failed := task.exception()) is not None:
            self._broken(failed)

    async def _start_over(self, lane: Lane) -> None:
        """The lane was fenced: rebuild it from its ledger, if the group still says it is ours."""
        tps = {tp for tp, name in self._lane_of.items() if name == lane.name} & set(self.consumer.assignment())
        await self._stop({lane.name})
        if not tps:
            return
        fresh = await self._restored(lane.name, next(iter(tps)).partition, tps)
        if lane.name not in self._runners and tps <= set(self.consumer.assignment()):
            self._start(fresh)
            await self.consumer.rewind({tp: fresh.progress[tp.topic].fetched for tp in tps})

    async def _stop(self, names: set[str]) -> None:
        runners = [self._runners.pop(n) for n in names if n in self._runners]
        await asyncio.gather(*(r.stop() for r in runners))
        for runner in runners:
            for event in [*(b.event for b in runner.in_flight), *runner.lane.events()]:
                self.consumer.forget(event.message)
        telemetry.LANES.set(len(self._runners))
        self._measure()

    def _lane_broken(self, lane: Lane, exc: BaseException) -> None:
        log.error("lane broke down", lane=lane.name, error=repr(exc), exc_info=exc)
        self._broken(exc)

    def _measure(self) -> None:
        size = sum(r.lane.size_bytes + sum(b.batch.size_bytes for b in r.in_flight) for r in self._runners.values())
        telemetry.BUFFERED_BYTES.set(size)
        telemetry.SEEN_BYTES.set(
            sum(
                p.seen.size_bytes
                for r in self._runners.values()
                for p in r.lane.progress.values()
                if p.seen is not None
            )
        )
        if size > self._budget_bytes:
            self._room.clear()
        elif size <= self._budget_bytes // 2:
            self._room.set()
