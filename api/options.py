"""Everything an api process needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.query import ColdOptions
from api.snapshot_loop import LoopOptions
from metric_defs.registry import Registry
from sinks.clickhouse.client import StoreConnection


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """``port`` 0 takes a free one. ``version`` is told by ``/version``."""

    registry: Registry
    store: StoreConnection
    host: str = "127.0.0.1"
    port: int = 8000
    loop: LoopOptions = field(default_factory=LoopOptions)
    cold: ColdOptions = field(default_factory=ColdOptions)
    version: str = "0"
    stop_timeout_s: int = 5


class ApiStartError(RuntimeError):
    """The api cannot start; the message says why and what to do."""
