"""Real workers on a real Kafka and the real store: what they count is what was sent, whatever happens to them."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from deploy.feed.commands import run_simulate
from deploy.feed.pacing import Pacing
from deploy.feed.simulate import SimulationOptions
from deploy.feed.simulate.truth import TRUE_MEASURES
from metric_defs.compile.read import CellsRequest, plan_read
from metric_defs.load import BUILT_IN
from tests.support.catalogs import KIOSK_DIRECTORY, KIOSK_MIDNIGHT_MS
from tests.support.cells import SKETCH_ERROR, differences, stored_cells
from tests.support.kafka import SharedKafka
from tests.support.pipeline import ALL_TIME, Pipeline, pipeline
from tests.support.reference import ReferenceLane
from tests.support.store_process import StoreProcess, running_store
from tests.support.wait import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.store]

PARTITIONS = 3
ANCIENT_MS = 1_767_225_600_000
"""2026-01-01: a simulation from here lies in the past of any clock."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


def shop(broker: SharedKafka, process: StoreProcess, tmp_path: Path) -> Pipeline:
    return pipeline(BUILT_IN, broker.bootstrap, process.port, tmp_path, PARTITIONS)


def simulate(to: Pipeline, rate: float | None = None, **options: Any) -> dict[str, Any]:
    """Send journeys with faults of every kind; returns the truth about them."""
    faults: dict[str, Any] = {
        "disorder_share": 0.3, "duplicate_share": 0.05, "bad_share": 0.03, "late_share": 0.03, "shops": 7, "users": 400}
    made = SimulationOptions(start_ms=ANCIENT_MS, duration_ms=5_400_000, **{**faults, **options})
    return run_simulate(made, to.registry, to.kafka, now_ms=int(time.time() * 1000), pacing=Pacing(rate=rate)).truth


def stop(worker: subprocess.Popen[str]) -> float:
    """SIGTERM; returns how long it took to exit with 0 (seconds)."""
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    return time.monotonic() - began


def counted_records(of: Pipeline) -> int:
    return int(of.store.rows("SELECT sum(l_read) FROM panes WHERE cube = '__ledger'")[0][0])


def check(of: Pipeline, truth: dict[str, Any]) -> None:
    """The ledger has the true outcomes, the cells the true values: of all shops together and of each."""
    found = {
        row[0]: row[1:] for row in of.store.rows(
            "SELECT topic, sum(l_read), sum(l_counted), sum(l_duplicate), sum(l_too_late), sum(l_dead) FROM panes "
            "WHERE cube = '__ledger' GROUP BY topic")}
    for name, outcomes in truth["events"].items():
        want = tuple(outcomes[o] for o in ("read", "counted", "duplicate", "too_late", "dead"))
        assert found[of.registry.events[name].topic] == want, name
    letters = of.store.rows("SELECT event, reason, count() FROM dead_letters FINAL GROUP BY ALL")
    assert {(e, r): n for e, r, n in letters} == {
        (e, r): n for e, outcomes in truth["events"].items() for r, n in outcomes["dead_reasons"].items()}
    check_values(of, (), {(): truth["total"]})
    check_values(of, ("shop_id",), {(shop,): values for shop, values in truth["shops"].items()})


def check_values(of: Pipeline, dimensions: tuple[str, ...], truth: dict[tuple[str, ...], dict[str, int]]) -> None:
    for code in (m.name for m in TRUE_MEASURES):
        measure = of.registry.metrics[code].measure
        if not set(dimensions) <= set(of.registry.metrics[code].dimensions):
            continue
        plan = plan_read(of.registry, CellsRequest((measure,), ALL_TIME, dimensions))
        found = {tuple(row[:-1]): row[-1] for row in of.store.rows(plan.sql, plan.parameters)}
        for key, values in truth.items():
            near = max(1, SKETCH_ERROR * values[code]) if not of.registry.measures[measure].exact else 0
            assert abs(found.get(key, 0) - values[code]) <= near, (code, key, found.get(key), values[code])


def test_journeys_are_counted_to_the_cent_and_a_worker_stops_in_order(
    broker: SharedKafka, process: StoreProcess, tmp_path: Path
) -> None:
    of = shop(broker, process, tmp_path)
    truth = simulate(of, events=6_000)
    with of.worker() as worker:
        wait_until(of.counted, 60, "all to be counted")
        assert stop(worker) <= 10
    check(of, truth)
    with of.worker() as again:  # nothing is counted again, and an idle worker stops as well
        wait_until(lambda: "lanes assigned" in log_of(of), 30, "lanes")
        assert stop(again) <= 10
    assert counted_records(of) == sum(outcomes["read"] for outcomes in truth["events"].values())


def log_of(of: Pipeline) -> str:
    newest = max(of.directory.glob("worker-*.log"), key=lambda p: p.stat().st_mtime)
    return newest.read_text(encoding="utf-8", errors="replace")


def test_workers_killed_in_the_middle_count_everything_once(
    broker: SharedKafka, process: StoreProcess, tmp_path: Path
) -> None:
    of = shop(broker, process, tmp_path)
    truths: list[dict[str, Any]] = []
    feeding = threading.Thread(target=lambda: truths.append(simulate(of, 2_500, events=12_000)))
    with of.worker() as first, of.worker() as second:
        wait_until(lambda: log_of(of).count("lanes assigned"), 30, "lanes")
        feeding.start()
        wait_until(lambda: counted_records(of) > 1_000, 60, "some records")
        first.kill()
        with of.worker() as third:
            wait_until(lambda: counted_records(of) > 6_000, 60, "half of the records")
            second.kill()
            third.kill()
        with of.worker() as fourth:
            feeding.join(60)
            wait_until(of.counted, 60, "all to be counted")
            assert fourth.poll() is None
    check(of, truths[0])


def test_two_workers_share_the_lanes(broker: SharedKafka, process: StoreProcess, tmp_path: Path) -> None:
    of = shop(broker, process, tmp_path)
    truth = simulate(of, events=2_000)
    recent = "SELECT uniqExact(splitByChar('.', l_worker)[1]) FROM panes WHERE cube = '__ledger' AND l_written_at > {a:Int64}"
    with of.worker() as one, of.worker() as two:
        wait_until(of.counted, 60, "all to be counted")
        since = int(time.time() * 1000)
        wait_until(lambda: of.store.rows(recent, {"a": since})[0][0] == 2, 60, "heartbeats of both")
        assert one.poll() is two.poll() is None
    check(of, truth)


# --- records that would stop a careless reader -----------------------------------------------------------------------


def visit(number: int, **fields: Any) -> bytes:
    return json.dumps({"at": KIOSK_MIDNIGHT_MS + number, "kiosk": "k", "visitor": number, **fields}).encode()


def poison() -> list[bytes | None]:
    return [
        visit(1), None, b"", b"\xff\xfe\xfd", b'{"at": 1, "kiosk": "\xc3"}', b"x" * 10_000_000, visit(2),
        b"[" * 900_000, b'{"a":' * 150_000 + b"1" + b"}" * 150_000, b'{"kiosk":' + b"9" * 20_000 + b"}", b"\x00" * 50,
        visit(3, note="\u0000'\\"), b'"' * 100_000, b"{" * 1_000_000, visit(4, kiosk={"deep": [[[]]]}), b"null",
        visit(5).replace(b"}", b',"x":"\\ud800"}'), b"\xef\xbb\xbf" + visit(6), visit(7, at="1e999"), visit(8),
    ]  # fmt: skip


def kiosk(broker: SharedKafka, process: StoreProcess, tmp_path: Path) -> Pipeline:
    return pipeline(KIOSK_DIRECTORY, broker.bootstrap, process.port, tmp_path, 1)


def producer(of: Pipeline, **settings: Any) -> Producer:
    return Producer({**of.kafka.librdkafka(), "message.max.bytes": 15_000_000, "linger.ms": 0, "log_level": 0, **settings})


def check_visits(of: Pipeline, committed: list[bytes | None]) -> None:
    oracle = ReferenceLane(of.registry)
    oracle.feed("visits", 0, list(enumerate(committed)), int(time.time() * 1000))
    counts = oracle.counts()["visits", 0]
    assert of.store.rows(
        "SELECT sum(l_read), sum(l_counted), sum(l_too_late), sum(l_dead) FROM panes WHERE cube = '__ledger'") == [
        (counts.read, counts.counted, counts.too_late, counts.dead)]
    assert differences(of.registry, oracle.cells(), stored_cells(of.store, of.registry)) == []


def test_no_record_stops_a_partition_and_an_empty_topic_is_no_obstacle(
    broker: SharedKafka, process: StoreProcess, tmp_path: Path
) -> None:
    of = kiosk(broker, process, tmp_path)  # of its two topics one stays empty
    sends = producer(of)
    records = poison() * 2 + [visit(9)]
    for value in records:
        sends.produce(of.registry.events["visits"].topic, value)
    assert sends.flush(60) == 0
    of.count()
    check_visits(of, records)
    longest = of.store.rows("SELECT max(size_bytes), max(length(value)) FROM dead_letters")
    assert longest == [(10_000_000, 1_048_576)]


def test_aborted_records_are_not_counted_and_holes_in_the_offsets_are_passed(
    broker: SharedKafka, process: StoreProcess, tmp_path: Path
) -> None:
    of = kiosk(broker, process, tmp_path)
    topic = of.registry.events["visits"].topic
    sends = producer(of, **{"transactional.id": topic})
    sends.init_transactions(30)
    committed: list[bytes | None] = []
    for number in range(12):
        sends.begin_transaction()
        values = [visit(number * 10 + i) for i in range(4)]
        for value in values:
            sends.produce(topic, value)
        sends.flush(30)
        if number % 3 == 0:
            sends.commit_transaction(30)
            committed += values
        else:
            sends.abort_transaction(30)
    of.count()  # the log ends with aborted records and control records
    check_visits(of, committed)
