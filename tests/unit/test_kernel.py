"""The kernel as a thing of its own: order, size, errors, neighbours. What it computes is held to the oracle elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from metric_defs.compile.kernel import MAX_RECORD_BYTES, REASONS
from streams.kernel import Kernel
from streams.verdict import COUNTED, DUPLICATE
from tests.support.catalogs import KIOSK_MIDNIGHT_MS, awkward_registry, kiosk_registry
from tests.support.memory_store import MemoryStore

NOW_MS = KIOSK_MIDNIGHT_MS + 86_400_000
REGISTRY = kiosk_registry()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    made = Kernel(REGISTRY)
    yield made
    made.close()


def visits(count: int) -> list[bytes | None]:
    return [
        json.dumps({"at": KIOSK_MIDNIGHT_MS + n, "kiosk": f"k{n % 9}", "visitor": n}).encode() for n in range(count)]


def offsets(count: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.arange(count, dtype=np.int64) * 3 + 7


def test_facts_come_in_the_order_of_the_records_however_many(kernel: Kernel) -> None:
    values = visits(150_000)
    values[::1000] = [b"{"] * 150
    decoded = kernel.decode("visits", offsets(len(values)), values, NOW_MS)
    dead = np.arange(len(values)) % 1000 == 0
    assert (decoded.reason == np.where(dead, REASONS.index("not_json"), 0)).all()
    assert (decoded.event_time_ms[~dead] == KIOSK_MIDNIGHT_MS + np.flatnonzero(~dead)).all()


def test_verdicts_meet_their_records_however_many(kernel: Kernel) -> None:
    values, at = visits(100_000), offsets(100_000)
    decoded = kernel.decode("visits", at, values, NOW_MS)
    verdict = np.where(np.arange(len(values)) % 7 == 0, DUPLICATE, COUNTED).astype(np.uint8)
    blocks = kernel.blocks("visits", 5, at, verdict, decoded.reason)
    store = MemoryStore(REGISTRY, "1-0")
    store._insert("events_visits", blocks.raw or b"")
    assert store.rows(
        "SELECT count(), countIf(k_verdict = 1), countIf(k_verdict != (intDiv(k_offset - 7, 3) % 7 = 0)), "
        f"countIf(at != {KIOSK_MIDNIGHT_MS} + intDiv(k_offset - 7, 3)), any(k_partition) FROM events_visits"
    ) == [(100_000, 14_286, 0, 0, 5)]


def test_size_is_judged_in_bytes_before_all_else(kernel: Kernel) -> None:
    at_limit = visits(1)[0] or b""
    values = [at_limit.ljust(MAX_RECORD_BYTES), at_limit.ljust(MAX_RECORD_BYTES + 1), "é".encode() * 600_000, None]
    decoded = kernel.decode("visits", offsets(4), values, NOW_MS)
    assert [REASONS[r] for r in decoded.reason] == ["", "too_large", "too_large", "empty"]


def test_event_times_are_bounded_to_the_millisecond(kernel: Kernel) -> None:
    cap_ms, first_ms = REGISTRY.events["readings"].future_cap, 946_684_800_000
    values: list[bytes | None] = [
        json.dumps({"meta": {"no": 1, "when": {"ms": at}}, "kiosk": "k"}).encode()
        for at in (NOW_MS + cap_ms, NOW_MS + cap_ms + 1, first_ms, first_ms - 1)]
    decoded = kernel.decode("readings", offsets(4), values, NOW_MS)
    assert [REASONS[r] for r in decoded.reason] == ["", "future", "", "time_out_of_range"]


def test_an_error_of_the_engine_does_not_reach_into_the_next_flush(kernel: Kernel) -> None:
    before = kernel.decode("visits", offsets(10), visits(10), NOW_MS)
    with pytest.raises(RuntimeError, match="throwIf"):
        # fails with many rows written already, which the engine keeps for the connection's next answer
        kernel._query("SELECT number, throwIf(number = 900000) FROM numbers(1000000)", "RowBinary")
    assert kernel._query("SELECT 1", "CSV").bytes() == b"1\n"
    after = kernel.decode("visits", offsets(10), visits(10), NOW_MS)
    assert (before.event_time_ms == after.event_time_ms).all()
    assert (before.key_low == after.key_low).all()
    assert kernel.blocks("visits", 0, offsets(10), np.zeros(10, np.uint8), after.reason).raw


def test_kernels_of_one_process_do_not_meet(kernel: Kernel) -> None:
    decoded = kernel.decode("visits", offsets(10), visits(10), NOW_MS)
    other, third = Kernel(REGISTRY), Kernel(awkward_registry())
    other.decode("visits", offsets(3), visits(3), NOW_MS)
    other.close()
    third.close()
    blocks = kernel.blocks("visits", 0, offsets(10), np.zeros(10, np.uint8), decoded.reason)
    store = MemoryStore(REGISTRY, "1-0")
    store._insert("events_visits", blocks.raw or b"")
    assert len(store.raw_events("visits")) == 10


def test_a_flush_of_the_dead_alone_makes_no_blocks(kernel: Kernel) -> None:
    values: list[bytes | None] = [b"{", None]
    decoded = kernel.decode("visits", offsets(2), values, NOW_MS)
    blocks = kernel.blocks("visits", 0, offsets(2), np.full(2, 3, np.uint8), decoded.reason)
    assert (blocks.raw or b"", blocks.cells) == (b"", ())


def test_a_warm_kernel_is_as_good_as_new(kernel: Kernel) -> None:
    kernel.warm_up()
    assert not kernel.decode("visits", offsets(3), visits(3), NOW_MS).reason.any()
