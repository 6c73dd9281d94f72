"""The engine against the oracle: the same log must end in the same outcomes, progress, raw events and cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metric_defs.compile.layout import VERDICTS, raw_table
from metric_defs.compile.recount import recount_queries
from metric_defs.load import load_registry
from metric_defs.registry import Registry
from sinks.clickhouse.writer import Flush
from streams.kernel import Kernel
from streams.prepare import prepare_flush
from streams.restore import restore_lane
from streams.transport.batch import RecordBatch
from streams.watermark import NO_TIME
from tests.support.catalogs import KIOSK_MIDNIGHT_MS, SANTIAGO_SKIPPED_MS, awkward_registry, kiosk_registry
from tests.support.cells import differences, stored_cells
from tests.support.memory_store import MemoryStore
from tests.support.records import BASE_MS, logs, now_ms
from tests.support.reference import Counts, Outcome, ReferenceLane

EXAMPLES = 6
UNHURRIED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LANE = "1-0"
PARTITION = 0


@dataclass(frozen=True)
class Bench:
    """A catalogue with its engine and a store for it, used by one example after the other."""

    registry: Registry
    base_ms: int
    kernel: Kernel
    store: MemoryStore


CATALOGUES: dict[str, tuple[Callable[[], Registry], int]] = {
    "built-in": (load_registry, BASE_MS), "kiosk": (kiosk_registry, KIOSK_MIDNIGHT_MS),
    "awkward": (awkward_registry, SANTIAGO_SKIPPED_MS),
}  # fmt: skip
EVENTS = [
    ("built-in", "orders"), ("built-in", "page_views"), ("built-in", "live_events"), ("kiosk", "readings"),
    ("kiosk", "visits"), ("awkward", "panes"),
]  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Iterator[Callable[[str], Bench]]:
    made: list[Bench] = []

    @cache
    def of(catalogue: str) -> Bench:
        load, base_ms = CATALOGUES[catalogue]
        registry = load()
        made.append(Bench(registry, base_ms, Kernel(registry), MemoryStore(registry, LANE)))
        return made[-1]

    yield of
    for each in made:
        each.kernel.close()


def batches(topic: str, offsets: list[int], log: list[bytes | None], edges: list[int]) -> list[RecordBatch]:
    """The log cut before the records of these numbers; what lies between two offsets belongs to the former's batch."""
    found, fetched = [], 0
    for start, end in pairwise(edges):
        next_offset = offsets[end] if end < len(offsets) else (offsets[-1] + 1 if offsets else 0)
        found.append(RecordBatch(
            topic, PARTITION, fetched, next_offset, np.array(offsets[start:end], np.int64), log[start:end],
            sum(len(v or b"") for v in log[start:end])))
        fetched = next_offset
    return found


@pytest.mark.parametrize(("catalogue", "name"), EVENTS)
@given(data=st.data())
@UNHURRIED
def test_the_engine_does_what_the_oracle_does(
    catalogue: str, name: str, data: st.DataObject, bench: Callable[[str], Bench]
) -> None:
    on = bench(catalogue)
    event = on.registry.events[name]
    log = data.draw(logs(event, on.base_ms, large=data.draw(st.integers(0, 9)) == 0))
    gaps = data.draw(st.lists(st.sampled_from([1, 1, 1, 2, 1000]), min_size=len(log), max_size=len(log)))
    offsets = [int(o) for o in np.cumsum(gaps)]
    cuts = data.draw(st.sets(st.integers(0, len(log)), max_size=2))
    restarts = data.draw(st.sets(st.sampled_from(sorted(cuts) or [0])))
    clock_ms = now_ms(event, on.base_ms)

    oracle = ReferenceLane(on.registry)
    outcomes = oracle.feed(name, PARTITION, list(zip(offsets, log, strict=True)), clock_ms)

    on.store.clear()
    lane = restore_lane(on.store, LANE, PARTITION, {event.topic: event})  # type: ignore[arg-type]
    lane.progress[event.topic].counted = 0
    flushes: list[Flush] = []
    edges = [0, *sorted(cuts), len(log)]
    for cut, batch in zip(edges, batches(event.topic, offsets, log, edges), strict=False):
        if cut in restarts and flushes:  # another worker takes over: all it knows is what the store tells
            lane = restore_lane(on.store, LANE, PARTITION, {event.topic: event})  # type: ignore[arg-type]
            assert (lane.seq, lane.last_worker) == (len(flushes), "w")
        flushes.append(prepare_flush(lane, [batch], on.kernel, "w", clock_ms))
        assert [e.next_offset for e in flushes[-1].entries] == [batch.next_offset]
        on.store.write(flushes[-1])
        lane.seq, lane.last_worker = len(flushes), "w"

    assert found_outcomes(flushes, on.store.raw_events(name), name) == expected_outcomes(outcomes)
    check_progress(flushes, oracle.counts().get((name, PARTITION), Counts()), event.disorder)
    assert differences(on.registry, oracle.cells(), stored_cells(on.store, on.registry)) == []
    if data.draw(st.integers(0, 4)) == 0:
        assert audit(on, name, flushes[-1].entries[-1].next_offset) == []


@given(data=st.data())
@UNHURRIED
def test_events_of_one_lane_share_flushes_and_cells(data: st.DataObject, bench: Callable[[str], Bench]) -> None:
    on = bench("kiosk")
    events = list(on.registry.events.values())
    clock_ms = max(now_ms(e, on.base_ms) for e in events)
    oracle = ReferenceLane(on.registry)
    on.store.clear()
    lane = restore_lane(on.store, LANE, PARTITION, {e.topic: e for e in events})  # type: ignore[arg-type]
    fetched = []
    for event in events:
        lane.progress[event.topic].counted = 0
        log = data.draw(logs(event, on.base_ms, max_size=20))
        oracle.feed(event.event, PARTITION, list(enumerate(log)), clock_ms)
        edges = [0, data.draw(st.integers(0, len(log))), len(log)]
        fetched.append(batches(event.topic, list(range(len(log))), log, edges))
    for together in zip(*fetched, strict=True):
        on.store.write(prepare_flush(lane, together, on.kernel, "w", clock_ms))
        lane.seq += 1
    assert differences(on.registry, oracle.cells(), stored_cells(on.store, on.registry)) == []
    counted = on.store.rows("SELECT topic, sum(l_counted) FROM panes WHERE cube = '__ledger' GROUP BY topic")
    assert dict(counted) == {e.topic: oracle.counts().get((e.event, PARTITION), Counts()).counted for e in events}


def expected_outcomes(outcomes: list[Outcome]) -> dict[int, tuple[str, Any]]:
    """By offset: (verdict, the fields as they were read, or why the record is dead)."""
    return {o.offset: (o.verdict, o.reason if o.verdict == "dead" else dict(o.values or {})) for o in outcomes}


def found_outcomes(flushes: list[Flush], rows: list[dict[str, Any]], event: str) -> dict[int, tuple[str, Any]]:
    found: dict[int, tuple[str, Any]] = {}
    for flush in flushes:
        for letter in flush.dead:
            assert (letter.event, letter.partition) == (event, PARTITION)
            found[letter.offset] = ("dead", letter.reason)
    for row in rows:
        partition, offset, verdict = (row.pop(k) for k in ("k_partition", "k_offset", "k_verdict"))
        assert partition == PARTITION
        assert offset not in found, f"offset {offset} occurs twice"
        found[offset] = (VERDICTS[verdict], row)
    return dict(sorted(found.items()))


def audit(on: Bench, event: str, next_offset: int) -> list[Any]:
    """What the product's own recount finds."""
    parameters = {"limits": {PARTITION: next_offset}, "until": 4_000_000_000}
    queries = recount_queries(on.registry, event, f"(SELECT * FROM {raw_table(on.registry.events[event])})")
    return [(q.cube, q.grain, row) for q in queries for row in on.store.rows(q.examples, parameters)]


def check_progress(flushes: list[Flush], counts: Counts, disorder_ms: int) -> None:
    entries = [e for f in flushes for e in f.entries]
    for first, second in pairwise(entries):
        assert first.next_offset == second.first_offset
    for what in ("read", "counted", "duplicate", "too_late", "dead"):
        assert sum(getattr(e, what) for e in entries) == getattr(counts, what), what
    last = entries[-1]
    greatest = NO_TIME if counts.max_event_ms is None else counts.max_event_ms
    assert (last.max_event_time, last.watermark) == (greatest, greatest - disorder_ms)
