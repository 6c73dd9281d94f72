"""From journeys to records in the order of sending, with disorder, duplicates, bad and too-late records put in.

Why the truth is certain for any number of partitions and any topic that holds nothing else:
a good record comes at most ``disorder_ms`` after its time, so no event before it in any partition is later than its
time plus ``disorder_ms``, which check_against holds within disorder + allowed lateness. A too-late record is set so far
back that the greatest time already sent *under the same key*, hence in the same partition, has closed its pane.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Any

import orjson

from deploy.feed.simulate.bad import BAD_KINDS
from deploy.feed.simulate.journey import make_visit
from deploy.feed.simulate.options import SimulationOptions, check_against
from deploy.feed.simulate.record import Outcome, Record
from deploy.feed.simulate.truth import Truth
from deploy.feed.simulate.world import build_world
from metric_defs import PANE_MS, Registry

_Waiting = tuple[int, int, str, dict[str, Any] | Record]
"""(arrival ms, tie-breaker, event, a good event, or the record to be sent again)."""


def simulate(
    options: SimulationOptions, registry: Registry, truth: Truth | None = None
) -> Iterator[dict[str, list[Record]]]:
    """Chunks of about ``options.chunk`` records by event name; ``in_order`` gives them in the order of sending.

    ``truth`` is filled on the way. Raises SimulationError, at once, when the registry does not fit.
    """
    check_against(options, registry)
    return _Simulation(options, registry, truth or Truth()).chunks()


class _Simulation:
    def __init__(self, options: SimulationOptions, registry: Registry, truth: Truth) -> None:
        self._options = options
        self._registry = registry
        self._truth = truth
        self._random = Random(options.seed)  # noqa: S311 - reproducible, not secret
        self._faults = Random(options.seed + 1)  # noqa: S311 - apart, so that shares do not change the journeys
        self._prefix = f"{options.seed:x}.{options.start_ms:x}"
        self._heap: list[_Waiting] = []
        self._ties = 0
        self._ids = 0
        self._number = 0
        self._bad = 0
        self._newest_ms: dict[tuple[str, bytes], int] = {}

    def chunks(self) -> Iterator[dict[str, list[Record]]]:
        chunk: dict[str, list[Record]] = {}
        size = 0
        for record in self._records():
            chunk.setdefault(record.event, []).append(record)
            self._truth.sent(record.event, record.outcome, record.reason)
            size += 1
            if size >= self._options.chunk:
                yield chunk
                chunk, size = {}, 0
        if chunk:
            yield chunk

    def _records(self) -> Iterator[Record]:
        for visit_ms in self._visits():
            while self._heap and self._heap[0][0] < visit_ms:
                yield from self._arrive(heappop(self._heap))
        while self._heap:
            yield from self._arrive(heappop(self._heap))

    def _visits(self) -> Iterator[int]:
        """Make visits, evenly over the duration, until there are enough events; gives the start of the next one.

        All events of this and later visits come at or after it, so whatever waits for an earlier arrival may go.
        """
        options = self._options
        world = build_world(options, self._random)
        end_ms = options.start_ms + options.duration_ms - 1
        made = visits = 0
        while made < options.events:
            start_ms = options.start_ms + made * options.duration_ms // options.events
            yield start_ms
            visit = make_visit(world, self._random, start_ms, visits)
            visits += 1
            steps = visit.steps[: options.events - made]
            # a visit that would outlast the simulation is hurried, so that its order of events stays
            hurry = min(1.0, (end_ms - start_ms) / visit.at_ms) if visit.at_ms else 1.0
            for offset_ms, event, fields in steps:
                self._ids += 1
                row = {
                    "event_id": f"{self._prefix}.{self._ids:x}",
                    "event_time": start_ms + int(offset_ms * hurry),
                    "shop_id": visit.shop.id,
                    "user_id": visit.user,
                    **fields,
                }
                self._truth.happened(event, row)
                self._wait(row["event_time"] + self._delay_ms(), event, row)
            made += len(steps)

    def _delay_ms(self) -> int:
        if self._faults.random() >= self._options.disorder_share:
            return 0
        return int(self._faults.random() * self._options.disorder_ms)

    def _wait(self, arrival_ms: int, event: str, what: dict[str, Any] | Record) -> None:
        self._ties += 1
        heappush(self._heap, (arrival_ms, self._ties, event, what))

    def _arrive(self, waiting: _Waiting) -> list[Record]:
        """The record whose turn it is, and the faults that follow it."""
        arrival_ms, _, event, what = waiting
        if isinstance(what, Record):
            return [self._record(event, what.key, what.value, arrival_ms, what.event_time_ms, Outcome.DUPLICATE)]
        key = what["shop_id"].encode()
        time_ms: int = what["event_time"]
        found = [self._record(event, key, orjson.dumps(what), arrival_ms, time_ms, Outcome.COUNTED)]
        if time_ms > self._newest_ms.get((event, key), 0):
            self._newest_ms[event, key] = time_ms
        options, chance = self._options, self._faults.random
        if chance() < options.duplicate_share:
            self._wait(arrival_ms + int(chance() * options.duplicate_delay_ms), event, found[0])
        if chance() < options.bad_share:
            reason, spoil = BAD_KINDS[self._bad % len(BAD_KINDS)]
            self._bad += 1
            value = spoil({**what, "event_id": self._next_id()})
            found.append(self._record(event, key, value, arrival_ms, time_ms, Outcome.DEAD, reason))
        if chance() < options.late_share:
            found.append(self._late(event, key, what, arrival_ms))
        return found

    def _late(self, event: str, key: bytes, row: dict[str, Any], arrival_ms: int) -> Record:
        """A copy of an event with its own id and a time whose pane is closed: end <= newest - disorder - lateness."""
        spec = self._registry.events[event]
        closed_ms = (self._newest_ms[event, key] - spec.disorder - spec.allowed_lateness) // PANE_MS * PANE_MS
        late_ms = closed_ms - 1 - int(self._faults.random() * 3_600_000)
        value = orjson.dumps({**row, "event_id": self._next_id(), "event_time": late_ms})
        return self._record(event, key, value, arrival_ms, late_ms, Outcome.TOO_LATE)

    def _next_id(self) -> str:
        self._ids += 1
        return f"{self._prefix}.x{self._ids:x}"

    def _record(
        self,
        event: str,
        key: bytes,
        value: bytes,
        arrival_ms: int,
        event_time_ms: int,
        outcome: Outcome,
        reason: str = "",
    ) -> Record:
        self._number += 1
        return Record(self._number, event, key, value, arrival_ms, event_time_ms, outcome, reason)
