"""What becomes of decoded records: held to a plain loop, and to the law that the cut into flushes changes nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_defs.models import PANE_MS, Dedupe, Event
from streams.dedupe import SeenKeys
from streams.verdict import COUNTED, DEAD, DUPLICATE, TOO_LATE, Decoded, judge
from streams.watermark import NO_TIME
from tests.support.catalogs import kiosk_registry

READINGS = kiosk_registry().events["readings"]
FAST = READINGS.model_copy(update={
    "disorder": 1_000, "allowed_lateness": 5_000, "dedupe": Dedupe.model_construct(key=("a",), horizon=20_000)})
PATIENT = FAST.model_copy(update={"allowed_lateness": 60_000})
Row = tuple[int, int, int, bool]
"""(high half of the key, low half, event time, alive)."""
# on, just before and just behind the edges of panes, lateness and horizon
TIMES = st.tuples(st.integers(0, 60), st.sampled_from([0, 0, 0, 1, 999])).map(lambda t: t[0] * 1_000 + t[1])
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), TIMES, st.integers(0, 9).map(bool)), max_size=40)


def decoded(rows: list[Row]) -> Decoded:
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return Decoded(
        np.array(columns[0], np.uint64), np.array(columns[1], np.uint64), np.array(columns[2], np.int64),
        np.array([0 if a else 4 for a in columns[3]], np.uint8))


def in_cuts(rows: list[Row], edges: list[int], event: Event) -> tuple[list[int], int]:
    seen = SeenKeys(event.dedupe.horizon) if event.dedupe else None
    greatest, verdicts = NO_TIME, []
    for start, end in pairwise(edges):
        judged = judge(decoded(rows[start:end]), event, greatest, seen)
        greatest = judged.greatest_ms
        verdicts += judged.verdict.tolist()
    return verdicts, greatest


def by_hand(rows: list[Row], event: Event) -> tuple[list[int], int]:
    greatest, seen, verdicts = NO_TIME, {}, []
    for high, low, time_ms, alive in rows:
        if not alive:
            verdicts.append(DEAD)
            continue
        greatest = max(greatest, time_ms)
        watermark_ms = greatest - event.disorder
        if event.dedupe and (high, low) in seen and watermark_ms < seen[high, low] + event.dedupe.horizon:
            verdicts.append(DUPLICATE)
        elif time_ms // PANE_MS * PANE_MS + PANE_MS + event.allowed_lateness <= watermark_ms:
            verdicts.append(TOO_LATE)
        else:
            verdicts.append(COUNTED)
            seen[high, low] = time_ms
    return verdicts, greatest


@pytest.mark.parametrize("event", [FAST, PATIENT, FAST.model_copy(update={"dedupe": None})])
@given(rows=ROWS, cuts=st.sets(st.integers(0, 40), max_size=12))
@settings(max_examples=80, deadline=None)
def test_it_is_what_a_plain_loop_finds_however_it_is_cut(rows: list[Row], cuts: set[int], event: Event) -> None:
    edges = [0, *sorted(c for c in cuts if c <= len(rows)), len(rows)]
    assert in_cuts(rows, edges, event) == by_hand(rows, event)


def test_twins_in_one_flush_are_told_by_all_of_their_key() -> None:
    rows = [(7, 1, 0, True), (7, 2, 0, True), (7, 1, 0, True), (8, 1, 0, True), (7, 2, 0, True)]
    assert in_cuts(rows, [0, 5], FAST)[0] == [COUNTED, COUNTED, DUPLICATE, COUNTED, DUPLICATE]


def test_a_dead_or_late_record_does_not_make_its_twin_a_duplicate() -> None:
    rows = [(1, 1, 0, False), (1, 1, 50_000, True), (2, 2, 0, True), (2, 2, 49_000, True), (2, 2, 49_000, True)]
    assert in_cuts(rows, [0, 5], FAST)[0] == [DEAD, COUNTED, TOO_LATE, COUNTED, DUPLICATE]


@pytest.mark.parametrize("edges", [[0, 4], [0, 1, 4], [0, 2, 3, 4], [0, 1, 2, 3, 4]])
def test_a_key_is_counted_again_once_it_is_forgotten(edges: list[int]) -> None:
    rows = [(1, 1, 0, True), (2, 2, 21_000, True), (1, 1, 21_000, True), (1, 1, 21_000, True)]
    assert in_cuts(rows, edges, FAST)[0] == [COUNTED, COUNTED, COUNTED, DUPLICATE]
    rows[1] = (2, 2, 20_999, True)
    rows[2] = rows[3] = (1, 1, 20_999, True)
    assert in_cuts(rows, edges, FAST)[0] == [COUNTED, COUNTED, DUPLICATE, DUPLICATE]


def test_no_records_leave_everything_as_it_was() -> None:
    judged = judge(decoded([]), FAST, 123, SeenKeys(1))
    assert (judged.verdict.tolist(), judged.greatest_ms) == ([], 123)
    assert judge(decoded([(1, 1, 5, False)]), FAST, NO_TIME, SeenKeys(1)).greatest_ms == NO_TIME
