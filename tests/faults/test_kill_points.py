"""A worker killed (kill -9) at every step between fetch and durable figure: the next one ends with the same figures.

Rows 1 to 3 of the fault catalogue: killed after the store's answer, in the middle of a flush, while it takes a lane over.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from confluent_kafka import Producer

from deploy.audit import run_audit
from sinks.fault_points import VARIABLE, FaultPoint
from tests.support.kafka import SharedKafka
from tests.support.pipeline import ROOT, Pipeline, pipeline
from tests.support.store_process import StoreProcess, running_store

PARCELS = 3_000
TWICE = 50


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("kills")) as running:
        yield running


def send(made: Pipeline, numbers: range) -> None:
    producer = Producer(made.kafka.librdkafka())
    topic = made.registry.events["deliveries"].topic
    for i in numbers:
        depot = f"d{i % 5}"
        event = {"parcel": f"p{i}", "delivered_at": 1_772_000_000_000 + i * 500, "depot": depot, "minutes_late": i % 7 - 3, "fee": 390}
        producer.produce(topic, json.dumps(event), key=depot)
    assert producer.flush(20) == 0


def killed_at(made: Pipeline, point: str) -> None:
    """Run a worker that dies at ``point``; fail if it does not."""
    with replace(made, environment={**made.environment, VARIABLE: point}).worker() as process:
        assert process.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize("point", get_args(FaultPoint))
def test_killed_at_any_step_nothing_is_lost_or_doubled(point: str, broker: SharedKafka, store: StoreProcess, tmp_path: Path) -> None:
    made = pipeline(ROOT / "examples/deliveries/registry", broker.bootstrap, store.port, tmp_path)
    send(made, range(PARCELS))
    killed_at(made, point)  # at its first time
    send(made, range(TWICE))  # sent again: duplicates across the crash
    killed_at(made, f"{point}:2" if point != "ledger_read" else point)  # and once more, a step further
    made.count()
    assert made.figures("delivered", "delivery_fees") == [PARCELS, PARCELS * 390]
    report = run_audit(made.registry, made.kafka, made.store, lambda text: None)
    assert report.faults == ()
    assert sum(p.counted for p in report.partitions) == PARCELS
    assert sum(p.duplicate for p in report.partitions) == TWICE
