"""Does the ledger tile what Kafka holds? Pure: rows in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deploy.audit.report import PartitionFinding


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One topic's part of one flush, as the ledger states it."""

    lane: str
    seq: int
    topic: str
    partition: int
    first_offset: int
    next_offset: int
    read: int
    counted: int
    duplicate: int
    too_late: int
    dead: int


def partition_findings(
    rows: Iterable[LedgerRow], ends: Mapping[tuple[str, int], tuple[int, int]]
) -> tuple[PartitionFinding, ...]:
    """For every partition Kafka has (``ends``: first and end offset): is [first, counted to) covered once and without gap?"""
    by_partition: defaultdict[tuple[str, int], list[LedgerRow]] = defaultdict(list)
    for row in rows:
        if row.next_offset > row.first_offset:
            by_partition[row.topic, row.partition].append(row)
    found = []
    for (topic, partition), (first, end) in sorted(ends.items()):
        ranges = sorted(by_partition[topic, partition], key=lambda r: (r.first_offset, r.next_offset))
        found.append(
            PartitionFinding(
                topic,
                partition,
                first,
                end,
                ranges[-1].next_offset if ranges else first,
                len(ranges),
                sum(r.read for r in ranges),
                sum(r.counted for r in ranges),
                sum(r.duplicate for r in ranges),
                sum(r.too_late for r in ranges),
                sum(r.dead for r in ranges),
                tuple(_faults(topic, partition, ranges, first, end)),
            )
        )
    return tuple(found)


def _faults(topic: str, partition: int, ranges: Sequence[LedgerRow], first: int, end: int) -> Iterable[str]:
    name = f"{topic}-{partition}"
    if not ranges:
        return
    if ranges[0].first_offset > first:
        yield f"{name}: offsets [{first}, {ranges[0].first_offset}) are in Kafka but were never counted"
    for before, after in pairwise(ranges):
        if after.first_offset > before.next_offset:
            yield f"{name}: gap, offsets [{before.next_offset}, {after.first_offset}) are in no flush"
        if after.first_offset < before.next_offset:
            yield (
                f"{name}: overlap, offsets [{after.first_offset}, {min(before.next_offset, after.next_offset)}) are in flush "
                f"{before.seq} of lane {before.lane} and in flush {after.seq} of lane {after.lane}"
            )
    if ranges[-1].next_offset > end:
        yield f"{name}: counted up to offset {ranges[-1].next_offset}, but Kafka ends at {end}: the topic was cut or made anew"
    for row in ranges:
        if row.counted + row.duplicate + row.too_late + row.dead != row.read:
            yield f"{name}: flush {row.seq} of lane {row.lane} does not add up to the {row.read} records it read"
        if row.read > row.next_offset - row.first_offset:
            yield f"{name}: flush {row.seq} of lane {row.lane} read {row.read} records from {row.next_offset - row.first_offset} offsets"


def lane_faults(rows: Iterable[LedgerRow]) -> tuple[str, ...]:
    """Flush numbers of each lane must run 1, 2, 3 … without a hole."""
    seqs: defaultdict[str, set[int]] = defaultdict(set)
    for row in rows:
        seqs[row.lane].add(row.seq)
    faults = []
    for lane, numbers in sorted(seqs.items()):
        missing = sorted(set(range(1, max(numbers) + 1)) - numbers)
        if missing:
            faults.append(
                f"lane {lane}: the ledger lacks flush {', '.join(map(str, missing[:5]))}{' …' if len(missing) > 5 else ''}"
            )
    return tuple(faults)
