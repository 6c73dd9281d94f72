"""SeenKeys against a dictionary: whatever is added in whatever order, what is remembered is the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dedupe import MAX_RUNS, NEVER, SeenKeys

HORIZON_MS = 1_000
Key = tuple[int, int]

# few halves, so that keys share their high half, their low half, or the filter's bit
HALVES = st.sampled_from([0, 1, 2, 1 << 16, (1 << 16) + 1, 1 << 40, 2**64 - 1, 2**64 - 2])
KEYS = st.tuples(HALVES, HALVES)
STEPS = st.lists(
    st.tuples(st.lists(st.tuples(KEYS, st.integers(0, 3_000)), max_size=6), st.integers(0, 3_000)), max_size=30)


@dataclass
class Model:
    """The latest time of every key ever added."""

    times: dict[Key, int] = field(default_factory=dict)

    def add(self, keys: list[tuple[Key, int]]) -> None:
        for key, time_ms in keys:
            self.times[key] = max(self.times.get(key, time_ms), time_ms)


def arrays(keys: list[Key]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return np.array([k[0] for k in keys], np.uint64), np.array([k[1] for k in keys], np.uint64)


def add(seen: SeenKeys, keys: list[tuple[Key, int]], watermark_ms: int) -> None:
    high, low = arrays([k for k, _ in keys])
    seen.add(high, low, np.array([t for _, t in keys], np.int64), watermark_ms)


def times(seen: SeenKeys, keys: list[Key]) -> list[int]:
    return [int(t) for t in seen.times(*arrays(keys))]


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_what_is_within_the_horizon_is_remembered_and_the_rest_is_never_made_up(
    steps: list[tuple[list[tuple[Key, int]], int]],
) -> None:
    seen, model, watermark_ms = SeenKeys(HORIZON_MS), Model(), 0
    every = [(high, low) for high in (0, 1, 2**64 - 1) for low in (0, 1, 1 << 16, 2**64 - 1)]
    for keys, advance_ms in steps:
        watermark_ms += advance_ms
        add(seen, keys, watermark_ms)
        model.add(keys)
        asked = [*every, *model.times]
        for key, found in zip(asked, times(seen, asked), strict=True):
            known = model.times.get(key, NEVER)
            assert found in (known, NEVER) or found < known
            if known != NEVER and watermark_ms - known < HORIZON_MS:
                assert found == known


def test_a_key_added_again_counts_with_its_latest_time_whatever_run_it_is_in() -> None:
    seen = SeenKeys(HORIZON_MS)
    for time_ms in (5, 900, 300):
        add(seen, [((1, 1), time_ms)], 0)
    assert times(seen, [(1, 1), (1, 2), (2, 1)]) == [900, NEVER, NEVER]


def test_many_keys_of_one_high_half_are_all_found() -> None:
    seen = SeenKeys(HORIZON_MS)
    keys: list[Key] = [(7, low) for low in range(50)]
    add(seen, [(k, low) for low, k in enumerate(keys)], 0)
    assert times(seen, [*keys, (7, 50), (8, 0), (6, 49)]) == [*range(50), NEVER, NEVER, NEVER]


@pytest.mark.parametrize("sizes", [[40_000], [9_000] * 9, [30_000, *[1] * 20], [1] * 20 + [30_000]])
def test_all_keys_are_found_after_the_filter_grew_and_runs_were_merged(sizes: list[int]) -> None:
    random = np.random.default_rng(1)
    seen, known = SeenKeys(HORIZON_MS), []
    for size in sizes:
        high, low = (random.integers(0, 2**64, size, np.uint64) for _ in range(2))
        seen.add(high, low, np.zeros(size, np.int64), 0)
        known.append((high, low))
    assert len(seen) == sum(sizes)
    assert all((seen.times(high, low) == 0).all() for high, low in known)
    strange = random.integers(0, 2**64, 20_000, np.uint64)
    assert (seen.times(strange, strange) == NEVER).all()


def test_memory_is_bounded_by_what_the_horizon_holds() -> None:
    random = np.random.default_rng(1)
    seen, size, largest = SeenKeys(HORIZON_MS), 2_000, 0
    for step in range(200):  # each step's keys are forgotten ten steps later
        high, low = (random.integers(0, 2**64, size, np.uint64) for _ in range(2))
        seen.add(high, low, np.full(size, step * 100, np.int64), step * 100)
        largest = max(largest, len(seen))
    assert largest <= 8 * 10 * size
    assert seen.size_bytes <= 60 * len(seen) + 65_536


def test_nothing_added_is_no_run() -> None:
    seen = SeenKeys(HORIZON_MS)
    for _ in range(MAX_RUNS + 2):
        add(seen, [], 0)
    assert (len(seen), times(seen, [(0, 0)])) == (0, [NEVER])
