"""The api as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from api.clock import Clock, system_clock
from api.http import Envelope, add_error_answers
from api.options import ApiOptions
from api.query import ColdReader
from api.routes.catalogue import catalogue_router
from api.routes.live import live_router
from api.routes.page import page_router
from api.routes.series import series_router
from api.routes.status import status_router
from api.routes.top import top_router
from api.services import Services
from api.snapshot_loop import SnapshotLoop
from api.telemetry import Telemetry
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse


def create_app(options: ApiOptions, store: ClickHouse, registry: Registry, clock: Clock = system_clock) -> FastAPI:
    """The app; the snapshot loop runs between its startup and its shutdown."""
    telemetry = Telemetry()
    cold_pool = ThreadPoolExecutor(options.cold.concurrency, "cold")
    hot_pool = ThreadPoolExecutor(1, "snapshot")

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = SnapshotLoop(store, registry, options.loop, clock, hot_pool, telemetry.build_seconds.observe)
        cold = ColdReader(store, cold_pool, options.cold, clock)
        app.state.services = Services(options, registry, clock, loop, cold, telemetry)
        running = asyncio.create_task(loop.run(), name="snapshot loop")
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            for pool in (hot_pool, cold_pool):
                pool.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title=f"{registry.settings.registry} metrics",
        version=options.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        description="Live figures, each with its age, its completeness and its definition.",
    )
    for router in (
        live_router(registry),
        series_router(registry),
        top_router(registry),
        catalogue_router(registry),
        status_router(registry),
        page_router(),
    ):
        app.include_router(router)
    add_error_answers(app)
    app.add_middleware(Envelope, telemetry=telemetry)
    return app
