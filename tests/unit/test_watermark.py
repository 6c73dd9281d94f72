"""How far event time has come: by hand, and as laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.watermark import NO_TIME, frontier, running_watermarks, too_late

TIMES = st.lists(st.tuples(st.integers(0, 100_000), st.booleans()), max_size=30)


def watermarks(records: list[tuple[int, bool]], before: int = NO_TIME, disorder_ms: int = 0) -> list[int]:
    times = np.array([t for t, _ in records], np.int64)
    alive = np.array([a for _, a in records], np.bool_)
    return [int(w) for w in running_watermarks(times, alive, before, disorder_ms)]


def test_it_is_the_greatest_time_so_far_minus_the_disorder_and_ignores_the_dead() -> None:
    assert watermarks([(100, True), (50, True), (900, False), (300, True)], disorder_ms=10) == [90, 90, 90, 290]
    assert watermarks([(100, True), (400, True)], before=200) == [200, 400]
    assert watermarks([(100, False)], before=200) == [200]
    assert watermarks([(100, False), (7, True)]) == [NO_TIME, 7]
    assert watermarks([], before=5) == []


@given(records=TIMES, before=st.integers(0, 100_000), cut=st.integers(0, 30))
def test_a_cut_changes_nothing_and_it_never_falls(records: list[tuple[int, bool]], before: int, cut: int) -> None:
    whole = watermarks(records, before)
    assert whole == sorted(whole)
    head = watermarks(records[:cut], before)
    assert head + watermarks(records[cut:], head[-1] if head else before) == whole


@pytest.mark.parametrize(("time_ms", "watermark_ms", "late"), [
    (0, 10_999, False), (0, 11_000, True), (9_999, 11_000, True), (10_000, 11_000, False), (10_000, 21_000, True),
    (0, NO_TIME, False),
])  # fmt: skip
def test_a_pane_closes_once_its_end_and_the_lateness_are_behind(time_ms: int, watermark_ms: int, late: bool) -> None:
    found = too_late(np.array([time_ms]), np.array([watermark_ms]), 1_000)
    assert found.tolist() == [late]


@pytest.mark.parametrize(("caught_up_ms", "expected"), [(None, 500), (5_999, 500), (6_000, 5_000), (9_000, 8_000)])
def test_a_silent_partition_is_complete_up_to_its_silence(caught_up_ms: int | None, expected: int) -> None:
    assert frontier(500, 5_000, caught_up_ms, 1_000) == expected


def test_silence_never_takes_the_frontier_back() -> None:
    assert frontier(9_500, 5_000, 6_000, 1_000) == 9_500
