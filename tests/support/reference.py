"""A slow, obvious kernel in plain Python: the oracle of the real one. Written from docs/semantics.md alone.

It keeps every counted event of every cell and reckons at the end: there is no state to merge and no hurry.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from metric_defs.models import PANE_MS, Event
from metric_defs.registry import CompiledMeasure, Registry
from tests.support.reference_expr import evaluate, parse_list, split_aggregate
from tests.support.reference_fields import Value, read_fields
from tests.support.reference_json import NotJsonError, read_object

MAX_RECORD_BYTES = 1_048_576
EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z."""

Verdict = Literal["counted", "duplicate", "too_late", "dead"]
CellKey = tuple[str, str, int, tuple[Value, ...]]
"""(cube, grain, start of the pane in epoch ms, value of each dimension in the cube's order)."""
Cells = dict[CellKey, dict[str, int | float]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record. ``reason`` for dead ones; ``values`` when every field could be read."""

    offset: int
    verdict: Verdict
    reason: str = ""
    values: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one partition of one event. ``max_event_ms``: greatest event time of a record that is not dead."""

    read: int = 0
    counted: int = 0
    duplicate: int = 0
    too_late: int = 0
    dead: int = 0
    max_event_ms: int | None = None
    watermark_ms: int | None = None


class ReferenceLane:
    """One lane: the same partition index of every topic. Keys are remembered per event, watermarks per partition."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._counts: dict[tuple[str, int], Counts] = {}
        self._seen: dict[tuple[str, tuple[Value, ...]], tuple[int, int]] = {}
        self._cells: dict[CellKey, defaultdict[str, list[Mapping[str, Value]]]] = defaultdict(lambda: defaultdict(list))
        """The counted events of each cell, by the event's name."""

    def feed(self, event_name: str, partition: int, records: Sequence[tuple[int, bytes | None]],
    now_ms: int) -> list[Outcome]:
        """Judge records in offset order and add the counted ones to their cells. ``now_ms`` is the worker's clock."""
        event = self._registry.events[event_name]
        outcomes = []
        for offset, value in records:
            outcome = self._judge(event, partition, offset, value, now_ms)
            before = self._counts.get((event_name, partition), Counts())
            self._counts[event_name, partition] = replace(
                before, read=before.read + 1, **{outcome.verdict: getattr(before, outcome.verdict) + 1})
            if outcome.verdict == "counted" and outcome.values is not None:
                self._add(event, outcome.values)
            outcomes.append(outcome)
        return outcomes

    def counts(self) -> dict[tuple[str, int], Counts]:
        """By (event, partition)."""
        return dict(self._counts)

    def cells(self) -> Cells:
        """Every cell an event was counted in, with every measure its cube stores; 0 where no event passed."""
        return {
            key: {m.measure.measure: _reckon(m, cell[m.measure.event]) for m in self._registry.measures_in_cube(key[0])}
            for key, cell in self._cells.items()
        }

    def _judge(self, event: Event, partition: int, offset: int, value: bytes | None, now_ms: int) -> Outcome:
        reason, values = _read(event, value, now_ms)
        if reason or values is None:
            return Outcome(offset, "dead", reason, values)
        time_ms = int(values[event.time])
        watermark_ms = self._advance(event, partition, time_ms)
        key = (event.event, tuple(values[name] for name in event.dedupe.key)) if event.dedupe else None
        if key is not None and self._remembered(event, key):
            return Outcome(offset, "duplicate", values=values)
        pane_end_ms = time_ms // PANE_MS * PANE_MS + PANE_MS
        if pane_end_ms + event.allowed_lateness <= watermark_ms:
            return Outcome(offset, "too_late", values=values)
        if key is not None:
            self._seen[key] = (partition, time_ms)
        return Outcome(offset, "counted", values=values)

    def _advance(self, event: Event, partition: int, time_ms: int) -> int:
        before = self._counts.get((event.event, partition), Counts())
        greatest = time_ms if before.max_event_ms is None else max(before.max_event_ms, time_ms)
        watermark_ms = greatest - event.disorder
        self._counts[event.event, partition] = replace(before, max_event_ms=greatest, watermark_ms=watermark_ms)
        return watermark_ms

    def _remembered(self, event: Event, key: tuple[str, tuple[Value, ...]]) -> bool:
        """Until the watermark of the partition the key was counted in has passed its event time by the horizon."""
        if key not in self._seen or event.dedupe is None:
            return False
        partition, seen_ms = self._seen[key]
        watermark_ms = self._counts[event.event, partition].watermark_ms
        return watermark_ms is not None and watermark_ms < seen_ms + event.dedupe.horizon

    def _add(self, event: Event, values: Mapping[str, Value]) -> None:
        for name, cube in self._registry.cubes.items():
            if self._registry.measures_in_cube(name, event.event):
                dimensions = tuple(values[d] for d in cube.dimensions)
                for grain, start_ms in pane_starts(int(values[event.time]), self._registry.settings.tz).items():
                    self._cells[name, grain, start_ms, dimensions][event.event].append(values)


def _read(event: Event, value: bytes | None, now_ms: int) -> tuple[str, Mapping[str, Value] | None]:
    """(reason it is dead for, or ''; its fields if all could be read)."""
    if not value:
        return "empty", None
    if len(value) > MAX_RECORD_BYTES:
        return "too_large", None
    try:
        record = read_object(value)
    except NotJsonError:
        return "not_json", None
    reason, values = read_fields(event, record)
    if reason or values is None:
        return reason, values
    time_ms = int(values[event.time])
    if time_ms < EARLIEST_MS:
        return "time_out_of_range", values
    return ("future" if time_ms > now_ms + event.future_cap else ""), values


def pane_starts(time_ms: int, zone: ZoneInfo) -> dict[str, int]:
    """Start (epoch ms) of the 10 s pane, the UTC hour and the business day an event time falls into."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).astimezone(zone)
    # where a clock change skips midnight, fold=0 reads it with the offset before, which is the first instant of the day
    midnight = datetime(local.year, local.month, local.day, tzinfo=zone, fold=0)
    return {
        "10s": time_ms - time_ms % PANE_MS,
        "1h": time_ms - time_ms % 3_600_000,
        "1d": round(midnight.timestamp()) * 1000,
    }


def _reckon(compiled: CompiledMeasure, events: list[Mapping[str, Value]]) -> int | float:
    function, arguments = split_aggregate(compiled.measure.expr)
    conditions = parse_list(compiled.measure.filter)
    passed = [e for e in events if all(evaluate(c, e) for c in conditions)]
    if function == "count":
        return len(passed)
    rows = [tuple(evaluate(a, e) for a in arguments) for e in passed]
    if function == "sum":
        return math.fsum(r[0] for r in rows) if any(isinstance(r[0], float) for r in rows) else sum(r[0] for r in rows)
    return len(set(rows))
