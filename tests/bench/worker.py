"""A worker for the benchmark: says when its lanes were assigned, which is when fetching starts."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import structlog

from metric_defs import load_registry
from sinks.clickhouse.client import StoreConnection
from streams.app import GroupOptions
from streams.connection import KafkaConnection
from streams.worker import WorkerOptions, run_worker


def main(bootstrap: str, store_url: str, database: str, scratch: str) -> None:
    """Run until SIGTERM."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    begin = {"ms": 0}

    def note(_: object, __: str, event: dict[str, object]) -> dict[str, object]:
        if event.get("event") == "lanes assigned" and not begin["ms"]:
            begin["ms"] = time.time_ns() // 1_000_000
            print(f"assigned {begin['ms']}", flush=True)
        return event

    structlog.configure(processors=[note, structlog.processors.KeyValueRenderer()])
    options = WorkerOptions(
        load_registry(),
        KafkaConnection(bootstrap),
        StoreConnection(store_url, database),
        Path(scratch),
        GroupOptions(group=f"bench-{database}"),
    )
    asyncio.run(run_worker(options, lambda: None))


if __name__ == "__main__":
    main(*sys.argv[1:5])
