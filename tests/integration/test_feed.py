"""Replay and simulate into a broker: what is read back is what the reports say."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy.feed.commands import run_replay, run_simulate
from deploy.feed.simulate import SimulationOptions
from metric_defs import Registry, load_registry
from streams.connection import KafkaConnection
from tests.integration.test_sender import read_all

pytestmark = pytest.mark.kafka


@pytest.fixture
def registry(broker: Any) -> Registry:
    """The built-in events on topics of this test's own."""
    built_in = load_registry()
    events = {n: e.model_copy(update={"topic": broker.topic(f"feed-{n}", 2)}) for n, e in built_in.events.items()}
    return Registry(built_in.settings, events, built_in.measures, built_in.metrics, built_in.cubes)


def values(broker: Any, registry: Registry, event: str) -> list[bytes]:
    return [m.value() or b"" for found in read_all(broker, registry.events[event].topic, 2).values() for m in found]


def test_the_last_real_orders_arrive_shifted_to_now(broker: Any, registry: Registry) -> None:
    now_ms = int(time.time() * 1000)
    report = run_replay(
        "completejourney", registry, KafkaConnection(broker.bootstrap), now_ms=now_ms, events=5_000, shift="now"
    )
    rows = [orjson.loads(v) for v in values(broker, registry, "orders")]
    assert len(rows) == report.send.confirmed == report.expected["lines"] == 5_000
    assert sum(r["amount"] for r in rows) == report.expected["amount"]
    assert len({r["order_id"] for r in rows}) == report.expected["orders"]
    assert max(r["event_time"] for r in rows) == now_ms


def test_a_simulation_arrives_as_its_truth_says(broker: Any, registry: Registry, tmp_path: Path) -> None:
    now_ms = int(time.time() * 1000)
    options = SimulationOptions(
        events=3_000, start_ms=now_ms - 3_600_000, bad_share=0.05, duplicate_share=0.05, late_share=0.02
    )
    path = tmp_path / "out" / "truth.json"
    report = run_simulate(options, registry, KafkaConnection(broker.bootstrap), now_ms=now_ms, truth_path=path)
    truth = orjson.loads(path.read_bytes())
    assert truth == orjson.loads(orjson.dumps(report.truth))
    for event, expected in truth["events"].items():
        found = values(broker, registry, event)
        assert len(found) == expected["read"]
        assert sum(n - 1 for v, n in Counter(found).items() if v) == expected["duplicate"]


def test_a_file_arrives_without_its_bad_rows(broker: Any, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("id,ms,shop,user\n1,1767225600000,s,u\n2,soon,s,u\n3,1767225601000,s,u\n")
    (tmp_path / "m.yaml").write_text(
        "fields:\n  event_id: {column: id}\n  event_time: {column: ms, format: epoch_ms}\n  type: {value: view}\n"
        "  shop_id: {column: shop}\n  user_id: {column: user}\n"
    )
    report = run_replay(
        str(tmp_path / "v.csv"),
        registry,
        KafkaConnection(broker.bootstrap),
        now_ms=1_770_000_000_000,
        event="page_views",
        map_path=tmp_path / "m.yaml",
        reject_dir=tmp_path,
        shift="now",
    )
    times = sorted(orjson.loads(v)["event_time"] for v in values(broker, registry, "page_views"))
    assert times == [1_769_999_999_000, 1_770_000_000_000]
    assert report.rejected == 1
    assert report.first_rejects[0].line == 3
    assert report.reject_file == tmp_path / "v.csv.rejects.jsonl"
    assert report.reject_file.exists()
