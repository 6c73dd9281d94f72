"""Covering a stretch of event time with stored panes: as few and as coarse as possible, no gap, no overlap. Pure."""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

from api.business_days import day_ceil, day_floor
from metric_defs.compile.read import Tile
from metric_defs.models import PANE_MS, Grain

HOUR_MS = 3_600_000


def tile(start_ms: int, end_ms: int, grains: Collection[Grain], zone: ZoneInfo) -> tuple[Tile, ...]:
    """Cover [start_ms, end_ms): whole business days by ``1d``, whole UTC hours by ``1h`` (where stored), the rest by
    ``10s``. Neighbouring panes of one grain make one tile. Raises ValueError for an edge inside a pane."""
    if start_ms % PANE_MS or end_ms % PANE_MS:
        raise ValueError(f"[{start_ms}, {end_ms}) does not begin and end with a pane of {PANE_MS} ms")
    if "1d" in grains:
        first, last = day_ceil(start_ms, zone), day_floor(end_ms, zone)
        if first < last:
            return (*_hours(start_ms, first, grains), Tile("1d", first, last), *_hours(last, end_ms, grains))
    return _hours(start_ms, end_ms, grains)


def _hours(start_ms: int, end_ms: int, grains: Collection[Grain]) -> tuple[Tile, ...]:
    first, last = -(-start_ms // HOUR_MS) * HOUR_MS, end_ms // HOUR_MS * HOUR_MS
    if "1h" in grains and first < last:
        return (*_panes(start_ms, first), Tile("1h", first, last), *_panes(last, end_ms))
    return _panes(start_ms, end_ms)


def _panes(start_ms: int, end_ms: int) -> tuple[Tile, ...]:
    return (Tile("10s", start_ms, end_ms),) if start_ms < end_ms else ()
