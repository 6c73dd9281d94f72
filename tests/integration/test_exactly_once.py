"""Every flush lands once and whole, on the real store, whoever else writes and whatever gets lost on the way."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metric_defs.models import Event
from sinks.clickhouse.client import ClickHouse, StoreConnection
from sinks.clickhouse.ledger import read_flush, read_lane
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import Flush, FlushWriter
from sinks.errors import Fenced, StoreRejected, StoreUnavailable
from streams.clock import system_clock
from streams.deliver import Delivery
from streams.kernel import Kernel
from streams.lane import Lane
from streams.prepare import prepare_flush
from streams.restore import restore_lane
from streams.transport.batch import RecordBatch
from tests.support.catalogs import KIOSK_MIDNIGHT_MS, kiosk_registry
from tests.support.cells import differences, stored_cells
from tests.support.reference import ReferenceLane
from tests.support.store_process import StoreProcess, running_store

pytestmark = pytest.mark.store

REGISTRY = kiosk_registry()
READINGS, VISITS = REGISTRY.events["readings"], REGISTRY.events["visits"]
EVENTS = {e.topic: e for e in (READINGS, VISITS)}
NOW_MS = KIOSK_MIDNIGHT_MS + 3_600_000
LANE = "1-0"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    made = Kernel(REGISTRY)
    yield made
    made.close()


@pytest.fixture
def store(process: StoreProcess) -> ClickHouse:
    return fresh_store(process.port)


def fresh_store(port: int) -> ClickHouse:
    made = ClickHouse(StoreConnection(f"http://127.0.0.1:{port}", f"t_{uuid.uuid4().hex[:10]}"))
    migrate(made, REGISTRY)
    return made


def readings(start: int, count: int) -> list[bytes | None]:
    """Records whose keys repeat after 100; each seventh is dead."""
    return [
        b"{broken" if n % 7 == 6 else json.dumps({
            "meta": {"no": n % 100, "when": {"ms": KIOSK_MIDNIGHT_MS + n * 500}}, "kiosk": f"k{n % 3}", "kind": "sale",
            "cents": n, "litres": n / 8, "body": {"flavour": f"f{n % 11}"}}).encode()
        for n in range(start, start + count)]


def reading(number: int, after_ms: int) -> bytes:
    return json.dumps({"meta": {"no": number, "when": {"ms": KIOSK_MIDNIGHT_MS + after_ms}}, "kiosk": "k"}).encode()


def batch(event: Event, start: int, values: list[bytes | None]) -> RecordBatch:
    end = start + len(values)
    return RecordBatch(event.topic, 0, start, end, np.arange(start, end, dtype=np.int64), values, 0, end)


@dataclass
class Owner:
    """A worker that holds the lane: restored from the store, it prepares flushes of ``readings``."""

    store: ClickHouse
    kernel: Kernel
    name: str
    lane: Lane = field(init=False)

    def __post_init__(self) -> None:
        self.lane = restore_lane(self.store, LANE, 0, EVENTS)
        for progress in self.lane.progress.values():
            progress.counted = progress.fetched = max(progress.counted, 0)

    def prepare(self, count: int = 30) -> Flush:
        start = self.lane.progress[READINGS.topic].counted
        return self.prepare_values(readings(start, count))

    def prepare_values(self, values: list[bytes | None]) -> Flush:
        start = self.lane.progress[READINGS.topic].counted
        flush = prepare_flush(self.lane, [batch(READINGS, start, values)], self.kernel, self.name, NOW_MS)
        self.lane.seq, self.lane.last_worker = flush.seq, self.name
        return flush

    def write(self, flush: Flush) -> None:
        FlushWriter(self.store, REGISTRY).write(flush, NOW_MS)


def check(store: ClickHouse, count: int) -> None:
    """The store holds readings [0, count) and nothing else, all of them once."""
    oracle = ReferenceLane(REGISTRY)
    oracle.feed("readings", 0, list(enumerate(readings(0, count))), NOW_MS)
    assert differences(REGISTRY, oracle.cells(), stored_cells(store, REGISTRY)) == []
    counts = oracle.counts()["readings", 0]
    read, counted, duplicate, dead = store.rows(
        "SELECT sum(l_read), sum(l_counted), sum(l_duplicate), sum(l_dead) FROM panes WHERE cube = '__ledger'")[0]
    assert (read, counted, duplicate, dead) == (count, counts.counted, counts.duplicate, counts.dead)
    # beyond may lie what a fenced worker had sent of a flush that was not counted
    assert store.rows(f"SELECT count() FROM events_readings FINAL WHERE k_offset < {count}") == [
        (counts.counted + counts.duplicate,)]
    assert store.rows(f"SELECT count() FROM dead_letters FINAL WHERE offset < {count}") == [(counts.dead,)]


# --- the append ------------------------------------------------------------------------------------------------------


def test_flushes_of_every_kind_land(store: ClickHouse, kernel: Kernel) -> None:
    owner = Owner(store, kernel, "a")
    owner.write(owner.prepare(150))
    owner.write(prepare_flush(owner.lane, [], kernel, "a", NOW_MS))  # a heartbeat
    owner.lane.seq += 1
    check(store, 150)
    dead: list[bytes | None] = [None, b"", b"\xff\xfe\x00", b"x" * 3_000_000, b"{}"]
    owner.write(owner.prepare_values(dead))
    kept = store.rows("SELECT reason, size_bytes, length(value) FROM dead_letters FINAL WHERE offset >= 150 ORDER BY offset")
    assert kept == [
        ("empty", 0, 0), ("empty", 0, 0), ("not_json", 3, 3), ("too_large", 3_000_000, 1_048_576),
        ("missing_field", 2, 2)]
    assert read_lane(store, LANE, 0).seq == 3


def test_the_same_flush_twice_counts_once(store: ClickHouse, kernel: Kernel) -> None:
    owner = Owner(store, kernel, "a")
    flush = owner.prepare()
    owner.write(flush)
    with pytest.raises(Fenced):
        owner.write(flush)
    assert FlushWriter(store, REGISTRY).applied(flush)
    check(store, 30)


@pytest.mark.parametrize(("seq", "worker"), [(1, "b"), (0, ""), (2, "a"), (1, "")])
def test_a_flush_must_follow_the_one_it_was_made_after(store: ClickHouse, kernel: Kernel, seq: int, worker: str) -> None:
    owner = Owner(store, kernel, "a")
    owner.write(owner.prepare())
    owner.lane.seq, owner.lane.last_worker = seq, worker
    stray = prepare_flush(owner.lane, [batch(READINGS, 30, readings(30, 30))], kernel, "a", NOW_MS)
    with pytest.raises(Fenced):
        owner.write(stray)
    assert read_lane(store, LANE, 0).seq == 1
    assert {c.counted for c in read_flush(store, LANE, 1)} == {0, 26}


def test_another_workers_flush_in_its_place_is_told(store: ClickHouse, kernel: Kernel) -> None:
    ours, theirs = Owner(store, kernel, "ours"), Owner(store, kernel, "theirs")
    mine = ours.prepare()
    theirs.write(theirs.prepare())
    with pytest.raises(Fenced, match="written by worker theirs"):
        FlushWriter(store, REGISTRY).applied(mine)
    check(store, 30)


def test_of_two_workers_racing_for_a_flush_one_lands_and_the_other_learns_it_by_its_next(
    store: ClickHouse, kernel: Kernel
) -> None:
    rounds = 6
    for number in range(rounds):
        owners = [Owner(store, kernel, f"{name}{number}") for name in "ab"]
        flushes = [o.prepare() for o in owners]
        start, told = threading.Barrier(2), []

        def write(owner: Owner, flush: Flush, start: Any = start, told: list[str] = told) -> None:
            start.wait()
            try:
                owner.write(flush)
            except Fenced:
                told.append(owner.name)

        threads = [threading.Thread(target=write, args=pair) for pair in zip(owners, flushes, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        winner = read_lane(store, LANE, 0).worker
        assert len(read_flush(store, LANE, number + 1)) == 2  # an entry of each topic
        assert winner not in told
        (loser,) = [o for o in owners if o.name != winner]
        with pytest.raises(Fenced):  # whether or not it was told before
            loser.write(loser.prepare())
        assert read_lane(store, LANE, 0).seq == number + 1
    check(store, rounds * 30)


# --- the delivery ----------------------------------------------------------------------------------------------------


@dataclass
class Troubled(ClickHouse):
    """A client that loses some requests before or after the store has them."""

    def __init__(self, connection: StoreConnection, before: list[Exception], after: list[Exception]) -> None:
        super().__init__(connection)
        self.before, self.after, self.appends = before, after, 0

    def insert(self, sql: str, body: bytes, settings: Any = None) -> None:
        if "INTO panes" in sql:
            self.appends += 1
            if self.before:
                raise self.before.pop(0)
        super().insert(sql, body, settings)
        if "INTO panes" in sql and self.after:
            raise self.after.pop(0)


async def deliver(store: ClickHouse, flush: Flush) -> int:
    """Send a flush; returns how many attempts failed."""
    failed: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        await Delivery(FlushWriter(store, REGISTRY), pool, system_clock, lambda: failed.append(1)).send(flush)
    return len(failed)


async def test_a_lost_answer_is_looked_up_and_nothing_is_doubled(store: ClickHouse, kernel: Kernel) -> None:
    troubled = Troubled(store.connection, [], [StoreUnavailable("the answer got lost")])
    owner = Owner(store, kernel, "a")
    assert await deliver(troubled, owner.prepare()) == 1
    assert troubled.appends == 1
    assert await deliver(troubled, owner.prepare()) == 0
    check(store, 60)


async def test_a_lost_request_is_sent_again_until_it_lands(
    store: ClickHouse, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.deliver.REFUSED_WAIT_S", 0.1)
    before: list[Exception] = [StoreUnavailable("no answer"), StoreRejected(60, "no such table"), StoreUnavailable("x")]
    troubled = Troubled(store.connection, before, [])
    assert await deliver(troubled, Owner(store, kernel, "a").prepare()) == 3
    assert troubled.appends == 4
    check(store, 30)


async def test_an_attempt_that_lands_late_and_fences_the_next_one_is_taken_for_ours(
    store: ClickHouse, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubled = Troubled(store.connection, [], [StoreUnavailable("the answer got lost")])
    owner = Owner(store, kernel, "a")
    real, asked = FlushWriter.applied, []

    def not_yet(self: FlushWriter, flush: Flush) -> bool:
        asked.append(flush.seq)
        return len(asked) > 1 and real(self, flush)

    monkeypatch.setattr(FlushWriter, "applied", not_yet)
    assert await deliver(troubled, owner.prepare()) == 1
    assert (troubled.appends, len(asked)) == (2, 2)
    check(store, 30)


async def test_a_worker_that_was_overtaken_is_fenced_and_does_not_send_for_ever(
    store: ClickHouse, kernel: Kernel
) -> None:
    old, new = Owner(store, kernel, "old"), Owner(store, kernel, "new")
    flush = old.prepare()
    new.write(new.prepare())
    for troubled in (store, Troubled(store.connection, [StoreUnavailable("x")], [])):
        with pytest.raises(Fenced):
            await asyncio.wait_for(deliver(troubled, flush), 20)
    check(store, 30)


async def test_a_store_killed_again_and_again_gets_every_flush_once(tmp_path: Path, kernel: Kernel) -> None:
    flushes, kills = 40, 2
    loop = asyncio.get_running_loop()
    with running_store(tmp_path / "d") as first:
        port, store = first.port, fresh_store(first.port)
        owner = Owner(store, kernel, "a")
        pending = [owner.prepare() for _ in range(flushes)]
        sent = asyncio.create_task(all_sent(store, pending))
        await at_least(store, 5)
        await loop.run_in_executor(None, first.stop, signal.SIGKILL)
    for number in range(kills):
        with running_store(tmp_path / "d", port) as again:
            assert not sent.done()
            if number + 1 < kills:
                await at_least(store, 15)
                await loop.run_in_executor(None, again.stop, signal.SIGKILL)
            else:
                await asyncio.wait_for(sent, 60)
                check(store, flushes * 30)


async def all_sent(store: ClickHouse, flushes: list[Flush]) -> None:
    for flush in flushes:
        await deliver(store, flush)


async def at_least(store: ClickHouse, seq: int) -> None:
    """Wait until this many flushes have landed."""
    deadline = time.monotonic() + 30
    while (await asyncio.to_thread(read_lane, store, LANE, 0)).seq < seq:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# --- the next owner --------------------------------------------------------------------------------------------------


def test_a_lane_comes_back_as_it_was(store: ClickHouse, kernel: Kernel) -> None:
    owner = Owner(store, kernel, "a.1")
    for _ in range(3):
        owner.write(owner.prepare(50))
    before, again = owner.lane, Owner(store, kernel, "b").lane
    assert (again.seq, again.last_worker) == (3, "a.1")
    assert again.progress.keys() == before.progress.keys()
    for topic, was in before.progress.items():
        now = again.progress[topic]
        assert (now.counted, now.fetched, now.greatest_ms) == (was.counted, was.counted, was.greatest_ms), topic
    seen, was_seen = again.progress[READINGS.topic].seen, before.progress[READINGS.topic].seen
    assert seen is not None
    assert was_seen is not None
    assert len(seen) == len(was_seen) > 80
    assert again.progress[VISITS.topic].seen is None


@pytest.mark.parametrize(("beyond_ms", "counted"), [(-1, 0), (0, 1)])
def test_a_new_owner_forgets_a_key_when_the_old_one_would_have(
    store: ClickHouse, kernel: Kernel, beyond_ms: int, counted: int
) -> None:
    horizon_ms = READINGS.dedupe.horizon if READINGS.dedupe else 0
    far_ms = horizon_ms + READINGS.disorder + beyond_ms
    owner = Owner(store, kernel, "a")
    owner.write(owner.prepare_values([reading(1, 0), reading(2, far_ms)]))
    again = Owner(store, kernel, "b").prepare_values([reading(1, far_ms)])
    assert [e.counted for e in again.entries if e.topic == READINGS.topic] == [counted]


def test_a_lane_never_counted_starts_nowhere(store: ClickHouse) -> None:
    lane = restore_lane(store, LANE, 0, EVENTS)
    assert (lane.seq, lane.last_worker) == (0, "")
    assert {p.counted for p in lane.progress.values()} == {-1}


def test_a_flush_half_written_is_written_over_by_the_next_owner(store: ClickHouse, kernel: Kernel) -> None:
    dying = Owner(store, kernel, "a")
    dying.write(dying.prepare())
    lost = dying.prepare(40)
    for event, block in lost.raw:  # raw events and dead letters arrived, figures and ledger did not
        store.insert(FlushWriter(store, REGISTRY)._raw_insert[event], block)
    FlushWriter(store, REGISTRY)._write_dead(lost.dead, NOW_MS)
    heir = Owner(store, kernel, "b")
    assert heir.lane.progress[READINGS.topic].counted == 30
    heir.write(heir.prepare(90))
    check(store, 120)


def test_owners_in_turn_count_what_one_would_have(store: ClickHouse, kernel: Kernel) -> None:
    for number in range(6):
        owner = Owner(store, kernel, f"w{number}")
        owner.write(owner.prepare(37))
    check(store, 6 * 37)


def test_a_partition_keeps_its_place_and_its_keys_when_partitions_are_added(store: ClickHouse, kernel: Kernel) -> None:
    owner = Owner(store, kernel, "a")
    owner.write(owner.prepare(120))
    moved = restore_lane(store, "2-0", 0, EVENTS)
    assert (moved.seq, moved.last_worker, moved.progress[READINGS.topic].counted) == (0, "", 120)
    flush = prepare_flush(moved, [batch(READINGS, 120, readings(20, 30))], kernel, "b", NOW_MS)
    (entry,) = [e for e in flush.entries if e.topic == READINGS.topic]
    assert (entry.counted, entry.duplicate) == (0, 25)
    assert restore_lane(store, "2-1", 1, EVENTS).progress[READINGS.topic].counted == -1
