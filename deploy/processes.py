"""Composition roots of the worker and the api: settings in, a running process until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from deploy.errors import OperatorError
from deploy.logs import configure_logging
from deploy.settings import Settings
from deploy.topics import topic_ends
from deploy.version import product_version
from deploy.wiring import registry_of, store_of
from sinks.clickhouse.client import ClickHouse, StoreConnection
from streams.connection import KafkaConnection

PREFLIGHT_S = 15.0


def work(settings: Settings, ready: Callable[[], None]) -> None:
    """Run a worker until SIGTERM or SIGINT. Raises OperatorError, RegistryError or StoreError when it cannot."""
    from streams.app import GroupOptions
    from streams.runner import FlushPolicy
    from streams.worker import WorkerFailed, WorkerOptions, run_worker

    configure_logging(settings.log_format, settings.log_level)
    registry, kafka, store = registry_of(settings), settings.kafka.connection(), store_of(settings)
    _preflight(kafka, store, [event.topic for event in registry.events.values()])
    options = WorkerOptions(
        registry=registry,
        kafka=kafka,
        store=store,
        data_dir=settings.data_dir / "worker",
        group=GroupOptions(
            group=settings.worker.group,
            session_timeout_s=settings.worker.session_timeout_s,
            heartbeat_s=settings.worker.session_timeout_s / 5,
            instance_id=settings.worker.instance_id,
        ),
        policy=FlushPolicy(
            interval_ms=settings.worker.flush_interval_ms,
            full_records=settings.worker.full_records,
            max_records=2 * settings.worker.full_records,
        ),
        budget_bytes=settings.worker.budget_mb << 20,
    )
    try:
        asyncio.run(run_worker(options, ready))
    except WorkerFailed as failure:
        raise OperatorError(
            f"the worker cannot go on: {failure}", "start it again; it goes on where the ledger says"
        ) from failure


def answer(settings: Settings, ready: Callable[[str], None]) -> int:
    """Run the api until SIGTERM or SIGINT; ``ready`` is told its address. Returns the exit code.

    Raises OperatorError or RegistryError when it cannot.
    """
    from api.options import ApiOptions, ApiStartError
    from api.server import run_api
    from api.snapshot_loop import LoopOptions

    configure_logging(settings.log_format, settings.log_level)
    options = ApiOptions(
        registry=registry_of(settings),
        store=store_of(settings),
        host=settings.api.host,
        port=settings.api.port,
        loop=LoopOptions(tick_ms=settings.api.tick_ms, stale_after_ms=settings.api.stale_after_ms),
        version=product_version(),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the server raises it once more when it has stopped: that is all then
    try:
        return run_api(options, ready)
    except ApiStartError as error:
        raise OperatorError(str(error), "--port or api.port, --host or api.host") from error


def _preflight(kafka: KafkaConnection, store: StoreConnection, topics: list[str]) -> None:
    """What the stream app would only retry in silence, said at once."""
    topic_ends(kafka, topics, timeout_s=PREFLIGHT_S)
    client = ClickHouse(store)
    try:
        client.rows("SELECT 1 FROM panes LIMIT 0")
    finally:
        client.close()
