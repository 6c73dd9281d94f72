"""How fast orders become durable figures, beside plain Faust doing the same cubes: `make bench-ingest`.

Real order lines wait in a real Kafka. In turns, a worker of ours counts all of them (raw events kept, duplicates looked for,
every grain, exactly-once into the store), and plain Faust counts a part of them into dicts. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.feed.commands import run_replay
from deploy.feed.completejourney import expected_totals, last_events, load_orders
from deploy.local.lifetime import die_with_parent
from deploy.topics import ensure_topics
from metric_defs import load_registry
from metric_defs.compile.read import CellsRequest, Tile, plan_read
from sinks.clickhouse.client import ClickHouse, StoreConnection
from sinks.clickhouse.migrate import migrate
from streams.connection import KafkaConnection
from tests.support.kafka import start_broker
from tests.support.store_process import running_store

ROOT = Path(__file__).parents[2]
WANTED_RATIO = 25.0
PARTITIONS = 4
TIMEOUT_S = 600.0


def ours(kafka: KafkaConnection, store_url: str, database: str, records: int, scratch: Path) -> dict[str, Any]:
    """One worker over a fresh database; seconds from its first fetch (lanes assigned) to the last durable flush."""
    registry = load_registry()
    connection = StoreConnection(store_url, database)
    store = ClickHouse(connection)
    migrate(store, registry)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with _process(
        [sys.executable, "-m", "tests.bench.worker", kafka.bootstrap, store_url, database, str(scratch)], environment
    ) as worker:
        ready = _line(worker, "assigned ")
        begin_ms, deadline = int(ready.split()[1]), time.monotonic() + TIMEOUT_S
        counted, last_ms = 0, 0
        while counted < records:
            counted, last_ms = store.rows(
                "SELECT sum(l_read), maxIf(l_written_at, l_read > 0) FROM panes WHERE cube = '__ledger'"
            )[0]
            if time.monotonic() > deadline or worker.poll() is not None:
                raise SystemExit(f"the worker counted {counted} of {records} records in {TIMEOUT_S:g} s")
            time.sleep(0.1)
        done_ms = time.time_ns() // 1_000_000
    codes = ("pay_amt", "pay_orders", "pay_buyers", "active_shops")
    measures = tuple(registry.measures_of_metric(c)[0] for c in codes)
    plan = plan_read(registry, CellsRequest(measures, (Tile("1d", 0, 4_102_444_800_000),)))
    figures = dict(zip(codes, store.rows(plan.sql, plan.parameters)[0], strict=True))
    # a flush is durable a moment after the time it carries; what we saw in the ledger is the honest end
    return {
        "records": int(counted),
        "seconds": (done_ms - begin_ms) / 1000,
        "last_flush_s": (int(last_ms) - begin_ms) / 1000,
        "figures": figures,
    }


def peer(kafka: KafkaConnection, topic: str, records: int) -> dict[str, Any]:
    """Plain Faust over the same topic."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.peer_plain_faust", kafka.bootstrap, topic, str(records)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        raise SystemExit(f"the peer failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> int:
    """Run the rounds and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_469_307)
    parser.add_argument("--peer-events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    registry = load_registry()
    with tempfile.TemporaryDirectory(prefix="metricgrid-bench-") as scratch_name:
        scratch = Path(scratch_name)
        print("starting Kafka and the store", flush=True)
        broker = start_broker(scratch / "broker")
        try:
            with running_store(scratch / "store") as store:
                kafka = KafkaConnection(broker.bootstrap)
                ensure_topics(kafka, {e.topic: PARTITIONS for e in registry.events.values()})
                sent = run_replay("completejourney", registry, kafka, now_ms=0, events=options.events)
                want = expected_totals(last_events(load_orders(), options.events))
                print(f"{sent.send.sent:,} order lines wait in Kafka; expected {want}", flush=True)
                rates, peers = [], []
                for number in range(options.rounds):
                    mine = ours(
                        kafka,
                        f"http://127.0.0.1:{store.port}",
                        f"round_{number}",
                        options.events,
                        scratch / f"w{number}",
                    )
                    other = peer(kafka, registry.events["orders"].topic, min(options.peer_events, options.events))
                    rates.append(mine["records"] / mine["seconds"])
                    peers.append(other["records"] / other["seconds"])
                    print(
                        f"round {number + 1}: metricgrid {rates[-1]:,.0f}/s ({mine['seconds']:.2f} s, {mine['figures']})   "
                        f"plain Faust {peers[-1]:,.0f}/s   ratio {rates[-1] / peers[-1]:.1f}",
                        flush=True,
                    )
        finally:
            broker.stop(10)
    ratio = statistics.median(a / b for a, b in zip(rates, peers, strict=True))
    exact = list(mine["figures"].values()) == [want[k] for k in ("amount", "orders", "buyers", "shops")]
    print(
        json.dumps(
            {
                "bench": "ingest",
                "figures": {
                    "events": options.events,
                    "metricgrid_per_s": round(statistics.median(rates)),
                    "plain_faust_per_s": round(statistics.median(peers)),
                    "ratio": round(ratio, 1),
                    "rates": [round(r) for r in rates],
                    "peer_rates": [round(r) for r in peers],
                },
                "bars": {
                    "ingest_vs_plain_faust": {
                        "got": round(ratio, 1),
                        "want": WANTED_RATIO,
                        "met": ratio >= WANTED_RATIO,
                    },
                    "figures_exact": {"got": exact, "want": True, "met": exact},
                },
            }
        )
    )
    return 0 if exact else 1


@contextmanager
def _process(argv: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _line(process: subprocess.Popen[str], prefix: str) -> str:
    for line in process.stdout or ():
        if line.startswith(prefix):
            return line
    raise SystemExit("the worker ended before it was ready")


if __name__ == "__main__":
    raise SystemExit(main())
