"""Composition root of a worker process: build everything, run until told to stop, stop in order."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse, StoreConnection
from sinks.clickhouse.writer import FlushWriter
from streams import telemetry
from streams.app import GroupOptions, build_app
from streams.clock import system_clock
from streams.connection import KafkaConnection
from streams.deliver import Delivery
from streams.kernel import Kernel
from streams.lanes import LaneManager
from streams.runner import FlushPolicy, Machinery

log = structlog.get_logger()
START_TIMEOUT_S = 120.0
DRAIN_TIMEOUT_S = 8.0
STORE_THREADS = 4


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Everything a worker needs to know. ``data_dir`` holds nothing that must survive."""

    registry: Registry
    kafka: KafkaConnection
    store: StoreConnection
    data_dir: Path
    group: GroupOptions = field(default_factory=GroupOptions)
    policy: FlushPolicy = field(default_factory=FlushPolicy)
    budget_bytes: int = 256 * 1024 * 1024
    worker_id: str = ""


class WorkerFailed(RuntimeError):
    """The worker cannot go on; the message says why and what to do."""


async def run_worker(options: WorkerOptions, ready: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT. Calls ``ready`` once partitions are assigned and read. Raises WorkerFailed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    failure: list[BaseException] = []

    def broken(exc: BaseException) -> None:
        failure.append(exc)
        stop.set()

    worker_id = options.worker_id or uuid.uuid4().hex[:12]
    store = ClickHouse(options.store)
    kernel_thread = ThreadPoolExecutor(1, "kernel")
    store_pool = ThreadPoolExecutor(STORE_THREADS, "store")
    kernel = await loop.run_in_executor(kernel_thread, Kernel, options.registry)
    await loop.run_in_executor(kernel_thread, kernel.warm_up)
    delivery = Delivery(FlushWriter(store, options.registry), store_pool, system_clock, telemetry.RETRIED.inc)
    machinery = Machinery(kernel, kernel_thread, delivery, options.policy, system_clock, worker_id)
    manager = LaneManager(options.registry, store, machinery, store_pool, options.budget_bytes, broken)
    options.data_dir.mkdir(parents=True, exist_ok=True)  # Faust makes only the last folder of a path
    app = build_app(options.registry, options.kafka, options.group, manager, options.data_dir)
    app.in_worker = True
    manager.consumer = app.consumer
    log.info("worker starting", worker=worker_id, group=options.group.group, registry=options.registry.fingerprint)
    starter = asyncio.create_task(app.start())
    watch = asyncio.create_task(_watch(app, starter, ready, broken))
    try:
        await stop.wait()
    finally:
        watch.cancel()
        await _stop(app, starter, manager, clean=not failure)
        kernel_thread.shutdown(wait=False, cancel_futures=True)
        store_pool.shutdown(wait=False, cancel_futures=True)
        store.close()
    if failure:
        raise WorkerFailed(f"{failure[0]}") from failure[0]


async def _watch(
    app: Any, starter: asyncio.Task[None], ready: Callable[[], None], broken: Callable[[BaseException], None]
) -> None:
    """Faust does not notice when it has crashed or when its group coordination has died; this does."""
    told = False
    while True:
        if starter.done() and starter.exception() is not None:
            broken(starter.exception() or RuntimeError("the stream app ended"))
            return
        if app.crashed:
            broken(app.crash_reason or RuntimeError("the stream app crashed"))
            return
        consumer = getattr(getattr(app._consumer, "_thread", None), "_consumer", None)
        coordination = getattr(getattr(consumer, "_coordinator", None), "_coordination_task", None)
        if coordination is not None and coordination.done():
            broken(RuntimeError("the consumer group's coordination ended unexpectedly; start the worker again"))
            return
        if not told and starter.done() and not app.rebalancing and app.tables.recovery.completed.is_set():
            told = True
            ready()
        await asyncio.sleep(0.1)


async def _stop(app: Any, starter: asyncio.Task[None], manager: LaneManager, clean: bool) -> None:
    """Stop fetching, let what was fetched become durable if that is quick, then leave the group."""
    if clean and starter.done() and not app.rebalancing:
        app.consumer.stop_flow()
        if not await manager.drain(DRAIN_TIMEOUT_S):
            log.warning("stopping with records not yet durable; they will be read again")
        await app.consumer.commit()
    await manager.stop()
    try:
        await asyncio.wait_for(app.stop(), 10)
    except TimeoutError:
        log.warning("the stream app did not stop in time")
    starter.cancel()
    await asyncio.gather(starter, return_exceptions=True)
