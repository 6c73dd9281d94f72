"""The audit as a whole: read the ledger, ask Kafka, recount, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from deploy.audit.kept import Limits, event_limits, kept_faults, map_parameter
from deploy.audit.report import AuditReport, CubeFinding, PartitionFinding
from deploy.audit.reread import reread
from deploy.audit.tiling import LedgerRow, lane_faults, partition_findings
from deploy.topics import topic_ends
from metric_defs.compile.layout import LEDGER_CUBE
from metric_defs.compile.recount import RecountQuery, recount_queries
from metric_defs.models import Event
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.ledger import read_last_entries
from streams.connection import KafkaConnection

FOREVER_S = 4_102_444_800
_SPANS = {"10s": 10, "1h": 3_600, "1d": 90_000}
"""Longest pane of each grain in seconds; a business day can have 25 hours."""


def run_audit(
    registry: Registry, kafka: KafkaConnection, store: ClickHouse, report: Callable[[str], None]
) -> AuditReport:
    """Audit everything the registry defines. ``report`` is told each step. Raises StoreError and OperatorError.

    While events keep coming, the panes compared are those that no event can change any more; otherwise all are.
    """
    started = time.monotonic()
    rows = _ledger_rows(store)
    report(f"reading the ledger: {len(rows):,} entries; asking Kafka what it holds")
    ends = topic_ends(kafka, [e.topic for e in registry.events.values()])
    partitions = partition_findings(rows, ends)
    limits = _limits(partitions)
    kept = kept_faults(registry, store, partitions, limits)
    cubes = _compare(registry, kafka, store, limits, FOREVER_S, report)
    until = ""
    if any(c.differing for c in cubes) and _work_done(_ledger_rows(store)) != _work_done(rows):
        closed = _closed_until_s(registry, store)
        until = datetime.fromtimestamp(closed, UTC).isoformat().replace("+00:00", "Z")
        report(f"events keep coming: comparing the panes before {until}, which cannot change any more")
        # read anew, after the closed panes were fixed: whatever went into those panes is then below the limits
        cubes = _compare(registry, kafka, store, _limits(partition_findings(_ledger_rows(store), ends)), closed, report)
    return AuditReport(
        tuple(
            replace(p, faults=(*p.faults, *(k for k in kept if k.startswith(f"{p.topic}-{p.partition}:"))))
            for p in partitions
        ),
        cubes,
        lane_faults(rows),
        until,
        time.monotonic() - started,
    )


def _ledger_rows(store: ClickHouse) -> list[LedgerRow]:
    return [
        LedgerRow(*r)
        for r in store.rows(
            "SELECT toString(lane), seq, toString(topic), l_partition, l_first_offset, l_next_offset, "
            "l_read, l_counted, l_duplicate, l_too_late, l_dead "
            f"FROM panes WHERE cube = '{LEDGER_CUBE}' ORDER BY lane, seq, topic, l_next_offset"
        )
    ]


def _limits(partitions: tuple[PartitionFinding, ...]) -> Limits:
    """How far each partition that was ever counted has been counted."""
    return {(p.topic, p.partition): p.counted_to for p in partitions if p.flushes}


def _work_done(rows: list[LedgerRow]) -> int:
    return sum(r.read for r in rows)


def _closed_until_s(registry: Registry, store: ClickHouse) -> int:
    """Epoch s before which every pane of every partition is past its allowed lateness."""
    lateness = {e.topic: e.allowed_lateness for e in registry.events.values()}
    closed = [
        entry.watermark - lateness[entry.topic]
        for _, _, entry in read_last_entries(store)
        if entry.topic in lateness and entry.next_offset > 0
    ]
    return max(min(closed, default=0) // 1000, 0)


def _compare(
    registry: Registry,
    kafka: KafkaConnection,
    store: ClickHouse,
    limits: Limits,
    until_s: int,
    report: Callable[[str], None],
) -> tuple[CubeFinding, ...]:
    found: list[CubeFinding] = []
    for name, event in registry.events.items():
        mine = event_limits(event.topic, limits)
        report(f"recounting {name}")
        with _source(event, kafka, store, mine) as source:
            queries = recount_queries(registry, name, source)
            if not mine:  # the ledger knows nothing of it: then no cell may be there either, which one grain tells
                queries = tuple({query.cube: query for query in queries}.values())
            found += [_cube(store, query, mine, until_s) for query in queries]
    return tuple(found)


@contextmanager
def _source(event: Event, kafka: KafkaConnection, store: ClickHouse, limits: dict[int, int]) -> Iterator[str | None]:
    if event.raw.keep and event.raw.retention is None:
        yield None
    else:
        with reread(event, kafka, store, limits) as table:
            yield table


def _cube(store: ClickHouse, query: RecountQuery, limits: dict[int, int], until_s: int) -> CubeFinding:
    closed = until_s if until_s == FOREVER_S else until_s - _SPANS[query.grain]
    parameters = {"limits": map_parameter(limits), "until": max(closed, 0)}
    cells, differing = store.rows(query.compare, parameters)[0]
    examples: tuple[str, ...] = ()
    if differing:
        examples = tuple(
            ", ".join(f"{column} {value}" for column, value in zip(query.columns, row, strict=True))
            for row in store.rows(query.examples, parameters)
        )
    return CubeFinding(query.event, query.cube, query.grain, int(cells), int(differing), examples)
