"""Topics, tables and a worker process for one registry, on a broker and a store that others may use as well."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.lifetime import die_with_parent
from deploy.topics import ensure_topics, topic_ends
from metric_defs import Registry, load_registry
from metric_defs.compile.read import CellsRequest, Tile, plan_read
from sinks.clickhouse.client import ClickHouse, StoreConnection
from sinks.clickhouse.ledger import read_last_entries
from sinks.clickhouse.migrate import migrate
from streams.connection import KafkaConnection
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
ALL_TIME = (Tile("1d", 0, 4_102_444_800_000),)


def own_topics(catalogue: Path, into: Path) -> Path:
    """A copy of a catalogue whose topics nobody else has."""
    shutil.copytree(catalogue, into)
    mark = uuid.uuid4().hex[:8]
    for path in into.rglob("*.yaml"):
        path.write_text(
            re.sub(r"^(\s*topic: )(\S+)$", rf"\1\2.{mark}", path.read_text(encoding="utf-8"), flags=re.MULTILINE),
            encoding="utf-8",
        )
    return into


@dataclass(frozen=True)
class Pipeline:
    """Everything a test needs to feed and to look: created by ``pipeline``."""

    directory: Path
    registry: Registry
    kafka: KafkaConnection
    store: ClickHouse
    environment: dict[str, str]

    def metricgrid(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line with this pipeline's settings."""
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            preexec_fn=die_with_parent,
        )

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        """A worker process; stopped by SIGTERM at the end if it still runs."""
        log = (self.directory / f"worker-{uuid.uuid4().hex[:6]}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "worker"],
            cwd=ROOT,
            env=self.environment,
            stdout=log,
            stderr=log,
            text=True,
            preexec_fn=die_with_parent,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(20)
            log.close()

    def counted(self) -> bool:
        """Whether everything Kafka holds of the registry's topics is in the ledger."""
        ends = topic_ends(self.kafka, [e.topic for e in self.registry.events.values()])
        reached = {(e.topic, e.partition): e.next_offset for _, _, e in read_last_entries(self.store)}
        return all(reached.get(key, 0) >= end for key, (first, end) in ends.items() if end > first)

    def count(self, timeout_s: float = 60) -> None:
        """Run a worker until everything is counted."""
        with self.worker() as process:
            wait_until(lambda: self.counted() or process.poll() is not None, timeout_s, "everything to be counted")
            assert process.poll() is None, "the worker ended"

    def figures(self, *codes: str) -> list[float]:
        """Values of simple metrics over all time."""
        measures = tuple(self.registry.metrics[c].measure for c in codes)
        plan = plan_read(self.registry, CellsRequest(measures, ALL_TIME))
        row = self.store.rows(plan.sql, plan.parameters)[0]
        return [row[plan.columns.index(m)] for m in measures]


def pipeline(catalogue: Path, bootstrap: str, store_port: int, directory: Path, partitions: int = 2) -> Pipeline:
    """Own topics, an own database with its tables, and settings for the command line."""
    registry_dir = own_topics(catalogue, directory / "registry")
    registry = load_registry(registry_dir)
    database = f"t_{uuid.uuid4().hex[:10]}"
    connection = StoreConnection(f"http://127.0.0.1:{store_port}", database)
    store = ClickHouse(connection)
    migrate(store, registry)
    kafka = KafkaConnection(bootstrap)
    ensure_topics(kafka, {e.topic: partitions for e in registry.events.values()}, {"max.message.bytes": str(16 << 20)})
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "METRICGRID_KAFKA__BOOTSTRAP": bootstrap,
        "METRICGRID_CLICKHOUSE__URL": connection.url,
        "METRICGRID_CLICKHOUSE__DATABASE": database,
        "METRICGRID_REGISTRY__DIR": str(registry_dir),
        "METRICGRID_DATA_DIR": str(directory / "data"),
        "METRICGRID_WORKER__GROUP": database,
        "METRICGRID_WORKER__SESSION_TIMEOUT_S": "3",
        "METRICGRID_WORKER__FLUSH_INTERVAL_MS": "100",
    }
    return Pipeline(directory, registry, kafka, store, environment)
