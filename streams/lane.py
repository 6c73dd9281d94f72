"""A lane: partitions that move together, their progress, and the buffer of what was fetched but not yet flushed.

A lane is touched by the event loop (buffer) and, while a flush is prepared, by the kernel's thread (progress); never by
two flushes at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from metric_defs.models import Event
from sinks.clickhouse.ledger import LedgerEntry
from streams.dedupe import SeenKeys
from streams.transport.batch import RecordBatch
from streams.watermark import NO_TIME


def lane_name(partition_count: int, index: int) -> str:
    """Partition ``index`` of every topic with ``partition_count`` partitions is one lane."""
    return f"{partition_count}-{index}"


@dataclass(slots=True)
class Progress:
    """How far one partition has been counted. ``fetched`` is the end of what is buffered, ``counted`` of what was judged."""

    event: Event
    partition: int
    counted: int
    fetched: int
    greatest_ms: int = NO_TIME
    seen: SeenKeys | None = None
    end_offset: int = -1
    last_record_ms: int = 0

    @property
    def watermark_ms(self) -> int:
        """Epoch ms before which no event is expected any more."""
        return self.greatest_ms - self.event.disorder


@dataclass(frozen=True, slots=True)
class Buffered:
    """A batch and the stream's event that carried it, to be acknowledged once it is durable."""

    batch: RecordBatch
    event: Any


@dataclass(slots=True)
class Lane:
    """See the module. ``seq`` and ``last_worker`` say where the lane's ledger stands."""

    name: str
    seq: int
    last_worker: str
    progress: dict[str, Progress]
    buffer: list[Buffered] = field(default_factory=list)
    records: int = 0
    size_bytes: int = 0

    def offer(self, batch: RecordBatch, event: Any) -> int | None:
        """Buffer a batch. Returns the offset to go back to when records are missing before it, else None."""
        progress = self.progress[batch.topic]
        if batch.fetch_offset > progress.fetched:
            return progress.fetched
        batch = batch.after(progress.fetched)
        progress.end_offset = max(progress.end_offset, batch.end_offset, batch.next_offset)
        if batch.next_offset > progress.fetched:
            progress.fetched = batch.next_offset
            self.records += len(batch)
            self.size_bytes += batch.size_bytes
        self.buffer.append(Buffered(batch, event))
        return None

    def take(self, max_records: int) -> list[Buffered]:
        """Remove the oldest buffered batches, about ``max_records`` records but at least one batch."""
        count, end = 0, 0
        while end < len(self.buffer) and (end == 0 or count + len(self.buffer[end].batch) <= max_records):
            count += len(self.buffer[end].batch)
            end += 1
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        self.records -= count
        self.size_bytes -= sum(b.batch.size_bytes for b in taken)
        return taken

    def follow(self, entry: LedgerEntry) -> None:
        """Take over what the ledger says of a partition."""
        progress = self.progress[entry.topic]
        progress.greatest_ms = max(progress.greatest_ms, entry.max_event_time)

    def events(self) -> Iterable[Any]:
        """Stream events of all buffered batches."""
        return (b.event for b in self.buffer)
