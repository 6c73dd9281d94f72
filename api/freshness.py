"""How far each topic has been counted, and how old that is. Pure: ledger entries in, facts out, in epoch ms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sinks.clickhouse.ledger import LedgerEntry

NEVER_MS = 0
"""Frontiers before 1970 stand for "no record yet"."""


@dataclass(frozen=True, slots=True)
class TopicFreshness:
    """State of one topic over the partitions that were ever counted.

    ``frontier_ms``: complete up to here (None: some partition had no record yet and was not idle either).
    ``watermark_ms``: lowest of the partitions that had a record. ``lag``: records in the log not yet counted, as of the
    last fetch.
    """

    topic: str
    partitions: int
    frontier_ms: int | None
    watermark_ms: int | None
    lag: int
    written_at_ms: int

    def age_ms(self, now_ms: int) -> int | None:
        """How far the frontier lies behind ``now_ms``; None without a frontier."""
        return None if self.frontier_ms is None else max(0, now_ms - self.frontier_ms)


def by_topic(entries: Iterable[LedgerEntry]) -> dict[str, TopicFreshness]:
    """Freshness of every topic that has an entry. Of a partition in several lanes the furthest entry counts."""
    furthest: defaultdict[str, dict[int, LedgerEntry]] = defaultdict(dict)
    for entry in entries:
        known = furthest[entry.topic].get(entry.partition)
        if known is None or (entry.next_offset, entry.written_at) > (known.next_offset, known.written_at):
            furthest[entry.topic][entry.partition] = entry
    return {topic: _of_topic(topic, list(partitions.values())) for topic, partitions in sorted(furthest.items())}


def lowest_frontier(topics: Iterable[str], freshness: Mapping[str, TopicFreshness]) -> int | None:
    """The instant up to which all these topics are complete; None when one of them has no frontier."""
    found = [freshness[t].frontier_ms if t in freshness else None for t in topics]
    known = [f for f in found if f is not None]
    return min(known) if known and len(known) == len(found) else None


def _of_topic(topic: str, entries: list[LedgerEntry]) -> TopicFreshness:
    frontier = min(e.frontier for e in entries)
    watermarks = [e.watermark for e in entries if e.watermark > NEVER_MS]
    return TopicFreshness(
        topic=topic,
        partitions=len(entries),
        frontier_ms=frontier if frontier > NEVER_MS else None,
        watermark_ms=min(watermarks, default=None),
        lag=sum(max(0, e.end_offset - e.next_offset) for e in entries),
        written_at_ms=max(e.written_at for e in entries),
    )
