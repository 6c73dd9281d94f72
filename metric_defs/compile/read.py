"""Reading figures: the SQL that merges stored cells, planned from the registry, never written by hand.

Names come from the registry; everything a caller gives travels as a typed query parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metric_defs.compile.aggregates import KINDS, measure_sql, merged
from metric_defs.compile.layout import quoted
from metric_defs.models import PANE_MS, Grain
from metric_defs.registry import Registry


class NotAnswerable(ValueError):
    """No stored cube holds these metrics cut by these dimensions; the message says what is possible."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A stretch of event time [start_ms, end_ms) read at one grain; both edges lie on that grain's panes."""

    grain: Grain
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class CellsRequest:
    """Which measures, cut how, over which time. ``step_ms``: 0 for one value over all tiles, else panes of that length
    (a multiple of 10 s, counted from ``origin_ms``). ``filters``: dimension -> allowed values."""

    measures: tuple[str, ...]
    tiles: tuple[Tile, ...]
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    step_ms: int = 0
    origin_ms: int = 0


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A query and its parameters. Result columns: ``bucket_ms`` (if stepped), the ``group_by`` dimensions, the measures."""

    sql: str
    parameters: Mapping[str, object]
    columns: tuple[str, ...]
    cube: str


def plan_read(registry: Registry, request: CellsRequest) -> ReadPlan:
    """Choose the smallest cube that can answer and write the query. Raises NotAnswerable."""
    needed = frozenset(request.group_by) | frozenset(request.filters)
    cube = registry.cube_for(request.measures, needed)
    if cube is None:
        raise NotAnswerable(_why(registry, request.measures, needed))
    sql = {m: measure_sql(registry.measures[m]) for m in request.measures}
    states = [merged(kind, [s.tag for s in sql.values() if s.kind == kind]) for kind in KINDS if any(s.kind == kind for s in sql.values())]
    keys = [quoted(d) for d in request.group_by]
    names = list(keys)
    parameters: dict[str, object] = {}
    if request.step_ms:
        if request.step_ms % PANE_MS:
            raise NotAnswerable(f"a step of {request.step_ms} ms is no multiple of the {PANE_MS} ms pane")
        step_s, origin_s = request.step_ms // 1000, request.origin_ms // 1000
        keys.insert(0, f"(intDiv(toInt64(toUnixTimestamp(pane)) - {origin_s}, {step_s}) * {step_s} + {origin_s}) * 1000 AS bucket_ms")
        names.insert(0, "bucket_ms")
    where = [f"cube = '{cube.cube}'", "seq = 0", _time(request.tiles, parameters)]
    for i, (dimension, allowed) in enumerate(sorted(request.filters.items())):
        parameters[f"f{i}"] = list(allowed)
        where.append(f"{quoted(dimension)} IN {{f{i}:Array(String)}}")
    inner = f"SELECT {', '.join([*keys, *states])} FROM panes WHERE {' AND '.join(where)}" + (f" GROUP BY {', '.join(names)}" if names else "")
    values = [f"{s.value} AS `{m}`" for m, s in sql.items()]
    columns = (("bucket_ms",) if request.step_ms else ()) + request.group_by + request.measures
    return ReadPlan(f"SELECT {', '.join([*names, *values])} FROM ({inner})", parameters, columns, cube.cube)


def _time(tiles: Sequence[Tile], parameters: dict[str, object]) -> str:
    if not tiles:
        return "0"
    parts = []
    for i, tile in enumerate(tiles):
        parameters[f"g{i}"], parameters[f"a{i}"], parameters[f"b{i}"] = tile.grain, tile.start_ms // 1000, tile.end_ms // 1000
        parts.append(f"(grain = {{g{i}:String}} AND pane >= toDateTime({{a{i}:UInt32}}, 'UTC') AND pane < toDateTime({{b{i}:UInt32}}, 'UTC'))")
    return "(" + " OR ".join(parts) + ")"


def _why(registry: Registry, measures: Sequence[str], needed: frozenset[str]) -> str:
    possible = sorted({" + ".join(c.dimensions) or "(no dimension)" for name, c in registry.cubes.items()
                       if set(measures) <= {m.measure.measure for m in registry.measures_in_cube(name)}})
    return f"no stored cube cuts these metrics by {' + '.join(sorted(needed)) or 'nothing'}; possible: {', '.join(possible) or 'none together'}"
