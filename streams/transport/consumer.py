"""Faust's aiokafka driver with three changes: fetches arrive as batches, offsets are kept per batch, and a hook restores
positions at the only moment when a seek survives.

Everything else (group, heartbeats, topics of other kinds, tables, timers) is Faust's own. See docs/decisions/0002.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as drv
from faust.types import TP, ConsumerMessage
from mode.utils.futures import notify

from streams.clock import system_clock
from streams.transport.batch import BatchSchema, RecordBatch
from streams.transport.drain import SparseLog, drain, self_check

Restore = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
Revoke = Callable[[set[TP]], Awaitable[None]]


class BatchConsumerThread(drv.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that talks to Kafka: hands out one RecordBatch per partition and fetch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sparse: set[Any] = set()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.transport.fetch_max_wait_ms  # Faust has 1500 ms built in
        consumer._fetch_max_bytes = self.transport.fetch_max_bytes
        # Faust asks for it only when it produces in transactions itself; what a producer took back must not be counted
        consumer._isolation_level = "read_committed"
        return consumer

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        with fetcher._subscriptions.fetch_context():
            return await self._next_batches(consumer, fetcher, active_partitions, timeout or 0, max_records)

    async def _next_batches(
        self, consumer: Any, fetcher: Any, active: Any, timeout: float, max_records: int | None
    ) -> dict[Any, list[Any]]:
        deadline = time.monotonic() + timeout
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            out: dict[Any, list[Any]] = {}
            for tp in list(fetcher._records):
                self._take(consumer, fetcher, tp, active, out, max_records)
            if out:
                return out
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return {}
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=remaining)
            if not done or fetcher._closed:
                waiter.cancel()
                return {}
            waiter.result()

    def _take(
        self, consumer: Any, fetcher: Any, tp: Any, active: Any, out: dict[Any, list[Any]], max_records: int | None
    ) -> None:
        def discard() -> None:
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)

        if active and tp not in active:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            return
        result = fetcher._records[tp]
        if type(result) is not FetchResult:  # an error came instead; records found before it go first
            if not out:
                discard()
                result.check_raise()
            return
        if tp.topic not in self.consumer.batch_topics:
            records = result.getall(max_records)
            if not result.has_more():
                discard()
            if records:
                out[tp] = records
            return
        if not result.check_assignment(tp) or not result.has_more():
            discard()
            return
        try:
            batch = drain(result, tp.topic, tp.partition, self.transport.max_batch_records, tp in self._sparse)
        except SparseLog:
            self._sparse.add(tp)
            discard()
            return
        except CorruptRecordException:
            discard()
            raise
        if not result._partition_records._records.has_next():
            discard()
        if batch is not None:
            batch.generation = consumer._coordinator.generation
            end = consumer.highwater(tp)
            batch.end_offset = -1 if end is None else end
            out[tp] = [batch]


class BatchConsumer(drv.Consumer):  # type: ignore[misc]
    """Faust's consumer with offsets kept per batch, restore on assignment, and nothing lost at a rebalance."""

    batch_topics: frozenset[str] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._spans: defaultdict[TP, deque[tuple[int, int]]] = defaultdict(deque)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Any) -> None:
        """Note which topics are read in batches, then subscribe."""
        self.batch_topics = frozenset(
            t
            for channel in self.app.topics
            if isinstance(getattr(channel, "schema", None), BatchSchema)
            for t in channel.topics
        )
        await super().subscribe(topics)

    def _to_message(self, tp: Any, record: Any) -> Any:
        if type(record) is not RecordBatch:
            return super()._to_message(tp, record)
        tp = ensure_TP(tp)
        last = record.next_offset - 1
        self._spans[tp].append((last, record.next_offset))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last,
            system_clock() / 1000,
            0,
            None,
            None,
            record,
            None,
            0,
            0,
            tp,
            generation_id=record.generation,
        )

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.batch_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: Any) -> int | None:
        """Offset to commit: the end of the acknowledged batches without a hole before them."""
        if tp.topic not in self.batch_topics:
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        spans, index, new = self._spans[tp], self._acked_index[tp], None
        while spans and spans[0][0] in index:
            last, new = spans.popleft()
            index.discard(last)
        if new is not None:
            self._acked[tp][:] = index
        return new

    def forget(self, message: Any) -> None:
        """Give a message up without acknowledging it: it will be read again by whoever owns its partition."""
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Let the lanes settle and commit before Faust drops what it knows of these partitions."""
        if revoked and not self.app.should_stop:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self.transport.on_revoke(set(revoked))
            await self.commit()
            # Faust now waits for every message to be acknowledged; what was dropped never will be
            for message in [m for m in self._unacked_messages if m.topic in self.batch_topics]:
                self.forget(message)
        self._reset(revoked)
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Called last before the flow resumes: the one place where a seek is not overwritten."""
        assigned = {tp for tp in self.assignment() if tp.topic in self.batch_topics}
        self._reset(assigned)
        await super().perform_seek()
        if assigned:
            await self._seek_all(await self.transport.on_restore(assigned))

    async def rewind(self, positions: Mapping[TP, int]) -> None:
        """Go on reading from these offsets, outside a rebalance."""
        self._reset(set(positions))
        await self._seek_all(positions)

    async def _seek_all(self, positions: Mapping[TP, int]) -> None:
        if positions:
            await self._thread.seek_wait({drv.ensure_aiokafka_TP(tp): offset for tp, offset in positions.items()})
            for tp, offset in positions.items():
                self._read_offset[tp] = offset or None

    def _reset(self, tps: Any) -> None:
        for tp in tps:
            if tp.topic in self.batch_topics:
                self._spans.pop(tp, None)
                self._acked.pop(tp, None)
                self._acked_index.pop(tp, None)


class BatchTransport(drv.Transport):  # type: ignore[misc]
    """Faust's transport for batch topics; ``on_restore`` and ``on_revoke`` are set by whoever owns the lanes."""

    Consumer = BatchConsumer
    fetch_max_wait_ms = 250
    fetch_max_bytes = 52_428_800
    max_batch_records = 20_000
    on_restore: Restore
    on_revoke: Revoke


def install(app: Any, on_restore: Restore, on_revoke: Revoke) -> BatchTransport:
    """Give the app this transport. Must run before the first agent is declared, since declaring one asks for it."""
    self_check()
    transport = BatchTransport(app.conf.broker_consumer, app)
    transport.on_restore, transport.on_revoke = on_restore, on_revoke
    app.transport = transport
    return transport
