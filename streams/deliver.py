"""Getting one prepared flush into the store exactly once, however often it takes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import structlog

from sinks.clickhouse.writer import Flush, FlushWriter
from sinks.errors import Fenced, StoreRejected, StoreUnavailable
from streams.clock import Clock

log = structlog.get_logger()
T = TypeVar("T")
FIRST_WAIT_S = 0.1
MAX_WAIT_S = 5.0
REFUSED_WAIT_S = 10.0
"""A refusal is a matter of configuration: it is not hammered."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends flushes on ``pool``'s threads; ``retried`` is told of every attempt that failed."""

    writer: FlushWriter
    pool: Executor
    clock: Clock
    retried: Callable[[], None]

    async def send(self, flush: Flush) -> None:
        """Return once the flush is durable. Raises Fenced when the lane belongs to another worker now."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._on_pool(lambda: self.writer.write(flush, self.clock()))
                return
            except Fenced:
                # an attempt whose answer was lost may have applied: then the ledger, moved on by ourselves, fences the next
                if await self._applied(flush):
                    return
                raise
            except StoreUnavailable as exc:
                log.warning("store unavailable, flush waits", lane=flush.lane, seq=flush.seq, error=str(exc))
            except StoreRejected as exc:
                log.error("store refuses the flush", lane=flush.lane, seq=flush.seq, code=exc.code, error=str(exc))
                wait_s = REFUSED_WAIT_S
            self.retried()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter
            wait_s = min(wait_s * 2, MAX_WAIT_S)
            if await self._applied(flush):
                return

    async def _applied(self, flush: Flush) -> bool:
        """Ask the ledger until it answers. Raises Fenced when another worker's flush stands in this one's place."""
        return await patiently(
            lambda: self._on_pool(lambda: self.writer.applied(flush)), f"the ledger of lane {flush.lane}"
        )

    async def _on_pool(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, call)


async def patiently(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """The answer of a question to the store, asked with growing pauses until the store can be reached."""
    wait_s = FIRST_WAIT_S
    while True:
        try:
            return await ask()
        except (StoreUnavailable, StoreRejected) as exc:
            log.warning("store does not answer, asking again", about=what, error=str(exc))
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter
            wait_s = min(wait_s * 2, REFUSED_WAIT_S if isinstance(exc, StoreRejected) else MAX_WAIT_S)
