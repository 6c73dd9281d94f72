"""Are the records kept as the ledger says: counted, duplicate and too late in the raw tables, dead in the dead letters?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deploy.audit.report import PartitionFinding
from metric_defs.compile.layout import VERDICTS, raw_table
from metric_defs.models import Event
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse

Limits = Mapping[tuple[str, int], int]
"""(topic, partition) -> first offset not counted yet."""


def kept_faults(
    registry: Registry, store: ClickHouse, partitions: Iterable[PartitionFinding], limits: Limits
) -> tuple[str, ...]:
    """One line for every partition and verdict whose kept records do not match the ledger's counts."""
    faults: list[str] = []
    found = list(partitions)
    for event in registry.events.values():
        mine = event_limits(event.topic, limits)
        if mine:
            kept = _kept(event, store, mine)
            for part in found:
                if part.topic == event.topic and part.partition in mine:
                    faults += _compare(event, part, kept)
    return tuple(faults)


def event_limits(topic: str, limits: Limits) -> dict[int, int]:
    """Partition -> first offset not counted yet, of one topic."""
    return {p: offset for (t, p), offset in limits.items() if t == topic}


def map_parameter(numbers: Mapping[int, int]) -> str:
    """A Map(UInt32, Int64) as the text of a query parameter."""
    return "{" + ",".join(f"{k}:{v}" for k, v in sorted(numbers.items())) + "}"


def _kept(event: Event, store: ClickHouse, limits: Mapping[int, int]) -> dict[tuple[str, int], int]:
    """(verdict, partition) -> records kept, in the raw table and in the dead letters ('dead', and 'late letters')."""
    parameters = {"limits": map_parameter(limits), "topic": event.topic}
    kept = {
        ("dead" if dead else "late letters", int(p)): int(n)
        for p, dead, n in store.rows(
            "SELECT partition, reason != 'too_late' AS is_dead, uniqExact(offset) FROM dead_letters WHERE topic = {topic:String} "
            "AND offset < {limits:Map(UInt32, Int64)}[partition] GROUP BY partition, is_dead",
            parameters,
        )
    }
    if event.raw.keep:
        kept |= {
            (VERDICTS[int(v)], int(p)): int(n)
            for p, v, n in store.rows(
                f"SELECT k_partition, k_verdict, count() FROM {raw_table(event)} FINAL WHERE k_offset < {{limits:Map(UInt32, Int64)}}[k_partition] "
                "GROUP BY k_partition, k_verdict",
                parameters,
            )
        }
    return kept


def _compare(event: Event, part: PartitionFinding, kept: Mapping[tuple[str, int], int]) -> Iterable[str]:
    said = {"dead": part.dead}
    if not event.raw.keep:
        said["late letters"] = part.too_late
    elif event.raw.retention is None:
        said |= {"counted": part.counted, "duplicate": part.duplicate, "too_late": part.too_late}
    for verdict, number in said.items():
        have = kept.get((verdict, part.partition), 0)
        if have != number:
            table = raw_table(event) if event.raw.keep and verdict != "dead" else "dead_letters"
            yield f"{part.topic}-{part.partition}: the ledger says {number} {verdict.replace('late letters', 'too_late')}, {table} holds {have}"
