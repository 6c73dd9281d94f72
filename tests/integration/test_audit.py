"""The audit finds nothing in a clean store, and every kind of damage in a damaged one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.audit import AuditReport, run_audit
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from tests.support.kafka import SharedKafka
from tests.support.pipeline import ROOT, Pipeline, pipeline
from tests.support.store_process import running_store

RECORDS = 600
DUPLICATES, DEAD = 20, 7


@pytest.fixture(scope="module")
def clean(broker: SharedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """600 parcels, 20 of them sent twice, 7 bad records, all counted."""
    directory = tmp_path_factory.mktemp("audit")
    with running_store(directory / "store") as store:
        made = pipeline(ROOT / "examples/deliveries/registry", broker.bootstrap, store.port, directory)
        send_parcels(made, range(RECORDS // 2))
        made.count()  # in two sittings, so that every lane has more than one flush
        send_parcels(made, [*range(RECORDS // 2, RECORDS), *range(DUPLICATES)], DEAD)
        made.count()
        yield made


def send_parcels(made: Pipeline, numbers: Iterable[int], dead: int = 0) -> None:
    producer = Producer(made.kafka.librdkafka())
    topic = made.registry.events["deliveries"].topic
    for i in numbers:
        depot = f"d{i % 5}"
        event = {
            "parcel": f"p{i}",
            "delivered_at": 1_772_000_000_000 + i * 1500,
            "depot": depot,
            "minutes_late": i % 7 - 3,
            "fee": 390 + i,
        }
        producer.produce(topic, json.dumps(event), key=depot)
    for _ in range(dead):
        producer.produce(topic, b"{broken", key=b"d0")
    assert producer.flush(20) == 0


def audit(made: Pipeline) -> AuditReport:
    return run_audit(made.registry, made.kafka, made.store, lambda text: None)


def test_a_clean_store_is_found_clean(clean: Pipeline) -> None:
    report = audit(clean)
    assert report.faults == ()
    assert sum(p.counted for p in report.partitions) == RECORDS
    assert sum(p.duplicate for p in report.partitions) == DUPLICATES
    assert sum(p.dead for p in report.partitions) == DEAD
    assert sum(c.cells for c in report.cubes) > 0


def test_the_command_says_so_and_answers_json(clean: Pipeline) -> None:
    done = clean.metricgrid("audit", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clean"] is True


def damaged(made: Pipeline, directory: Path, *statements: str) -> AuditReport:
    """The audit of a copy of the store's tables after these statements."""
    copy = f"{made.store.connection.database}_copy"
    tables = [str(r[0]) for r in made.store.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")]
    store = ClickHouse(replace(made.store.connection, database=copy))
    migrate(store, made.registry)
    try:
        for table in tables:
            store.execute(f"TRUNCATE TABLE {table}")
            store.execute(f"INSERT INTO {table} SELECT * FROM {made.store.connection.database}.{table}")
        for statement in statements:
            store.execute(statement)
        return audit(replace(made, store=store))
    finally:
        store.execute(f"DROP DATABASE {copy} SYNC")


DAMAGE = {
    "a pane row is deleted": (
        "DELETE FROM panes WHERE cube = 'by_depot' AND grain = '10s' AND depot = 'd3'",
        "in cube by_depot at 10s",
    ),
    "a pane row is doubled": (
        "INSERT INTO panes SELECT * FROM panes WHERE cube = 'total' AND grain = '1h' LIMIT 1",
        "in cube total at 1h",
    ),
    "ledger rows are removed": ("DELETE FROM panes WHERE cube = '__ledger' AND seq = 1", "lacks flush 1"),
    "the whole ledger is removed": ("DELETE FROM panes WHERE cube = '__ledger'", "in cube total at 1d"),
    "raw events are lost": ("DELETE FROM events_deliveries WHERE k_offset = 3", "events_deliveries holds"),
    "dead letters are lost": ("TRUNCATE TABLE dead_letters", "dead, dead_letters holds 0"),
    "a whole cube is missing": ("DELETE FROM panes WHERE cube = 'by_depot' AND grain = '1d'", "in cube by_depot at 1d"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_reported(clean: Pipeline, tmp_path: Path, what: str) -> None:
    statement, expected = DAMAGE[what]
    report = damaged(clean, tmp_path, statement)
    assert not report.clean
    assert any(expected in fault for fault in report.faults), report.faults


def test_a_removed_ledger_row_leaves_offsets_uncounted(clean: Pipeline, tmp_path: Path) -> None:
    report = damaged(clean, tmp_path, "DELETE FROM panes WHERE cube = '__ledger' AND seq = 1")
    assert any("are in Kafka but were never counted" in f for f in report.faults), report.faults


def test_a_doubled_ledger_row_is_an_overlap(clean: Pipeline, tmp_path: Path) -> None:
    report = damaged(
        clean,
        tmp_path,
        "INSERT INTO panes SELECT * REPLACE(seq + 1000 AS seq) FROM panes WHERE cube = '__ledger' AND l_read > 0 LIMIT 1",
    )
    assert any("overlap" in f for f in report.faults), report.faults


def test_events_whose_raw_records_are_not_kept_are_read_again_from_kafka(broker: SharedKafka, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    shutil.copytree(ROOT / "examples/deliveries/registry", catalogue)
    path = catalogue / "deliveries.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            "    dedupe: {key: [parcel], horizon: 24h}\n", "    raw: {keep: false}\n"
        ),
        encoding="utf-8",
    )
    with running_store(tmp_path / "store") as store:
        made = pipeline(catalogue, broker.bootstrap, store.port, tmp_path)
        send_parcels(made, [*range(RECORDS), *range(DUPLICATES)], DEAD)
        made.count()
        report = audit(made)
        assert report.faults == ()
        assert sum(p.counted for p in report.partitions) == RECORDS + DUPLICATES
        made.store.execute("INSERT INTO panes SELECT * FROM panes WHERE cube = 'total' AND grain = '10s' LIMIT 1")
        assert not audit(made).clean
