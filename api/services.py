"""What the routes work with; built once per app."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson
from fastapi import Request
from fastapi.responses import Response

from api.clock import Clock
from api.figures import Truth
from api.options import ApiOptions
from api.problems import unavailable
from api.query import ColdReader, Rows
from api.scope import Scope
from api.snapshot import Snapshot
from api.snapshot_loop import SnapshotLoop
from api.telemetry import Telemetry
from metric_defs.registry import Registry

NO_CACHE = {"Cache-Control": "private, no-cache"}


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to every route."""

    options: ApiOptions
    registry: Registry
    clock: Clock
    snapshots: SnapshotLoop
    cold: ColdReader
    telemetry: Telemetry

    def snapshot(self) -> Snapshot:
        """The current snapshot. Raises Problem (503) while there is none."""
        if self.snapshots.current is None:
            raise unavailable(f"no figures have been read yet: {self.snapshots.problem}")
        return self.snapshots.current

    def truth(self, rows: Rows | None = None) -> Truth:
        """What is known at this moment, for figures that were read as ``rows``."""
        snapshot = self.snapshot()
        truth = replace(snapshot.truth, now_ms=self.clock(), snapshot=None)
        return truth if rows is None else replace(truth, as_of_ms=rows.as_of_ms, problem=rows.problem)


def services(request: Request) -> Services:
    """Those of the request's app."""
    found: Services = request.app.state.services
    return found


def scope_of(request: Request) -> Scope:
    """What the caller may see: everything, until callers have names."""
    return Scope.all()


def json(body: object, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """An answer as JSON bytes."""
    return Response(orjson.dumps(body), status, headers or NO_CACHE, "application/json")
