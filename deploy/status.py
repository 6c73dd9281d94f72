"""How far the pipeline is, read from the ledger and Kafka: right whether or not the api runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deploy.topics import KafkaUnreachable, TopicError, topic_ends
from metric_defs import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.ledger import LedgerEntry, read_last_entries
from sinks.clickhouse.totals import TopicTotals, read_totals
from streams.connection import KafkaConnection

RATE_WINDOW_MS = 10_000
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic. ``lag``: records in Kafka not yet counted; ``rate``: records a second over the last 10 s.

    ``frontier_ms``: complete up to this event time; ``freshness_ms``: its age; both None before the first record.
    """

    topic: str
    event: str
    partitions: int
    lag: int
    rate: float
    frontier_ms: int | None
    freshness_ms: int | None
    read: int
    counted: int
    duplicate: int
    too_late: int
    dead: int
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """All topics of the registry at one moment; ``kafka``: '' when it answered, else why lags are of the last flush."""

    at_ms: int
    topics: tuple[TopicStatus, ...]
    kafka: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def read_status(registry: Registry, store: ClickHouse, kafka: KafkaConnection, now_ms: int) -> Status:
    """Ask the store for the ledger and Kafka for its ends. Raises StoreError; a silent Kafka is told in the answer."""
    last = last_positions(store)
    totals = read_totals(store, now_ms - RATE_WINDOW_MS)
    topics = [event.topic for event in registry.events.values()]
    try:
        ends, trouble = topic_ends(kafka, topics, timeout_s=5), ""
    except (KafkaUnreachable, TopicError) as error:
        ends = {part: (0, entry.end_offset) for part, entry in last.items()}
        trouble = error.what
    found = tuple(
        _topic_status(event.topic, event.event, last, totals.get(event.topic), ends, now_ms)
        for event in registry.events.values()
    )
    return Status(now_ms, found, trouble)


def last_positions(store: ClickHouse) -> dict[Partition, LedgerEntry]:
    """The furthest ledger entry of each partition, in whatever lane it was written. Raises StoreError."""
    furthest: dict[Partition, LedgerEntry] = {}
    for _, _, entry in read_last_entries(store):
        part = entry.topic, entry.partition
        if part not in furthest or entry.next_offset >= furthest[part].next_offset:
            furthest[part] = entry
    return furthest


def lags(last: Mapping[Partition, LedgerEntry], ends: Mapping[Partition, tuple[int, int]]) -> dict[Partition, int]:
    """Records in each partition that are not counted yet. ``ends``: (first kept, next) offsets as Kafka says."""
    return {
        part: max(end - (last[part].next_offset if part in last else first), 0) for part, (first, end) in ends.items()
    }


def _topic_status(
    topic: str,
    event: str,
    last: Mapping[Partition, LedgerEntry],
    totals: TopicTotals | None,
    ends: Mapping[Partition, tuple[int, int]],
    now_ms: int,
) -> TopicStatus:
    entries = [entry for part, entry in last.items() if part[0] == topic]
    frontiers = [entry.frontier for entry in entries if entry.max_event_time > 0]
    frontier_ms = min(frontiers, default=None)
    return TopicStatus(
        topic=topic,
        event=event,
        partitions=sum(part[0] == topic for part in ends),
        lag=sum(lag for part, lag in lags(last, ends).items() if part[0] == topic),
        rate=totals.recent * 1000 / RATE_WINDOW_MS if totals else 0.0,
        frontier_ms=frontier_ms,
        freshness_ms=None if frontier_ms is None else max(now_ms - frontier_ms, 0),
        read=totals.read if totals else 0,
        counted=totals.counted if totals else 0,
        duplicate=totals.duplicate if totals else 0,
        too_late=totals.too_late if totals else 0,
        dead=totals.dead if totals else 0,
        workers=tuple(sorted({entry.worker for entry in entries})),
    )
