"""A lane's buffer: nothing missing, nothing twice, nothing out of order, whatever is offered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.lane import Lane, Progress, lane_name
from streams.transport.batch import RecordBatch
from tests.support.catalogs import kiosk_registry

EVENTS = kiosk_registry().events
READINGS, VISITS = EVENTS["readings"], EVENTS["visits"]


def lane(start: int = 0) -> Lane:
    return Lane(lane_name(4, 1), 0, "", {e.topic: Progress(e, 1, start, start) for e in (READINGS, VISITS)})


def batch(
    fetch: int, next_: int, offsets: list[int] | None = None, topic: str = READINGS.topic, end: int = -1
) -> RecordBatch:
    at = list(range(fetch, next_)) if offsets is None else offsets
    values = [str(o).encode() for o in at]
    return RecordBatch(topic, 1, fetch, next_, np.array(at, np.int64), values, sum(map(len, values)), end)


def taken(of: Lane, max_records: int = 10**9) -> list[tuple[int, int, list[int]]]:
    return [(b.batch.fetch_offset, b.batch.next_offset, b.batch.offsets.tolist()) for b in of.take(max_records)]


def test_a_lane_is_a_partition_of_all_topics_with_the_same_number_of_them() -> None:
    assert (lane_name(4, 1), lane_name(12, 1)) == ("4-1", "12-1")


def test_batches_come_out_in_order_and_are_measured() -> None:
    one = lane()
    for number, each in enumerate([batch(0, 3), batch(0, 2, topic=VISITS.topic), batch(3, 5)]):
        assert one.offer(each, number) is None
    assert (one.records, one.size_bytes, list(one.events())) == (7, 7, [0, 1, 2])
    assert taken(one, 5) == [(0, 3, [0, 1, 2]), (0, 2, [0, 1])]
    assert (one.records, one.size_bytes, list(one.events())) == (2, 2, [2])
    assert taken(one, 1) == [(3, 5, [3, 4])]
    assert (one.records, one.size_bytes, one.take(1)) == (0, 0, [])


def test_at_least_one_batch_is_taken_however_large() -> None:
    one = lane()
    one.offer(batch(0, 50), None)
    one.offer(batch(50, 51), None)
    assert taken(one, 10) == [(0, 50, list(range(50)))]


def test_a_gap_sends_the_reader_back_and_is_not_buffered() -> None:
    one = lane(start=7)
    assert one.offer(batch(9, 12), None) == 7
    assert (one.buffer, one.records, one.progress[READINGS.topic].fetched) == ([], 0, 7)
    assert one.offer(batch(7, 9), None) is None
    assert one.offer(batch(9, 12), None) is None
    assert one.progress[READINGS.topic].fetched == 12


def test_what_was_read_before_is_cut_off_a_batch_and_the_batch_is_still_acknowledged() -> None:
    one = lane(start=5)
    assert one.offer(batch(0, 4), "old") is None
    assert one.offer(batch(3, 8), "half") is None
    assert one.offer(batch(0, 8), "again") is None
    assert (one.records, list(one.events())) == (3, ["old", "half", "again"])
    assert [o for _, _, offsets in taken(one) for o in offsets] == [5, 6, 7]


def test_holes_are_passed_and_a_batch_of_nothing_moves_on() -> None:
    one = lane()
    assert one.offer(batch(0, 10, [2, 8]), None) is None
    assert one.offer(batch(10, 12, []), None) is None
    assert one.offer(batch(12, 13), None) is None
    assert taken(one) == [(0, 10, [2, 8]), (10, 12, []), (12, 13, [12])]


@pytest.mark.parametrize(("told", "kept"), [((-1, -1), 5), ((9, -1), 9), ((9, 20), 20), ((9, 4), 9)])
def test_the_end_of_the_log_is_what_was_last_known_and_at_least_what_was_read(told: tuple[int, int], kept: int) -> None:
    one = lane()
    one.offer(batch(0, 3, end=told[0]), None)
    one.offer(batch(3, 5, end=told[1]), None)
    assert one.progress[READINGS.topic].end_offset == kept


@given(
    log=st.lists(st.booleans(), max_size=30),
    fetches=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=20),
    takes=st.sets(st.integers(0, 19)),
)
def test_any_fetches_give_a_prefix_of_the_log_without_gap_or_repeat(
    log: list[bool], fetches: list[tuple[int, int]], takes: set[int]
) -> None:
    """``log``: which offsets hold a record. Fetches may overlap, repeat and jump ahead; a jump is read again."""
    one, found = lane(), []
    for number, (start, length) in enumerate(fetches):
        next_ = min(start + length, len(log))
        if next_ > start:
            offsets = [o for o in range(start, next_) if log[o]]
            back = one.offer(batch(start, next_, offsets), None)
            assert back is None or back < start
        if number in takes:
            found += [o for _, _, offsets in taken(one, 3) for o in offsets]
    found += [o for _, _, offsets in taken(one) for o in offsets]
    fetched = one.progress[READINGS.topic].fetched
    assert found == [o for o in range(fetched) if log[o]]
