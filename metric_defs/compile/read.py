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
    (a multiple of 10 s, counted from ``origin_ms``); ``by_day``: panes are business days instead. ``filters``: dimension ->
    allowed values. ``order``: the greatest first, by a measure or by one measure over another; keys that are blank are
    then left out. ``limit``: at most so many rows (0: all)."""

    measures: tuple[str, ...]
    tiles: tuple[Tile, ...]
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    step_ms: int = 0
    origin_ms: int = 0
    by_day: bool = False
    order: tuple[str, ...] = ()
    limit: int = 0

    @property
    def stepped(self) -> bool:
        """One row per pane."""
        return self.by_day or self.step_ms > 0


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A query and its parameters. Result columns: ``k_bucket`` (if stepped), the ``group_by`` dimensions, the measures."""

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
    keys = [quoted(d) for d in request.group_by]
    names = list(keys)
    if request.stepped:
        keys.insert(0, f"{_bucket(registry, request)} AS k_bucket")
        names.insert(0, "k_bucket")
    parameters: dict[str, object] = {}
    where = [f"cube = '{cube.cube}'", "seq = 0", time_condition(request.tiles, parameters)]
    for i, (dimension, allowed) in enumerate(sorted(request.filters.items())):
        parameters[f"f{i}"] = list(allowed)
        where.append(f"{quoted(dimension)} IN {{f{i}:Array(String)}}")
    if request.order:
        where += [f"{quoted(d)} != ''" for d in request.group_by]
    states = merged_states(registry, request.measures)
    inner = f"SELECT {', '.join([*keys, *states])} FROM panes WHERE {' AND '.join(where)}" + (
        f" GROUP BY {', '.join(names)}" if names else ""
    )
    columns = (("k_bucket",) if request.stepped else ()) + request.group_by + request.measures
    query = f"SELECT {', '.join([*names, *measure_values(registry, request.measures)])} FROM ({inner}){_end(request)}"
    return ReadPlan(query, parameters, columns, cube.cube)


def merged_states(registry: Registry, measures: Sequence[str]) -> list[str]:
    """The state columns that these measures need, merged over stored rows."""
    sql = [measure_sql(registry.measures[m]) for m in measures]
    return [merged(kind, [s.tag for s in sql if s.kind == kind]) for kind in KINDS if any(s.kind == kind for s in sql)]


def measure_values(registry: Registry, measures: Sequence[str]) -> list[str]:
    """Each measure's figure from merged states; named apart from dimensions, which no field beginning with k_ can be."""
    return [f"{measure_sql(registry.measures[m]).value} AS {_figure(m)}" for m in measures]


def time_condition(tiles: Sequence[Tile], parameters: dict[str, object]) -> str:
    """True for the stored rows of these tiles; adds the parameters it uses."""
    parts = []
    for i, tile in enumerate(tiles, len(parameters)):
        parameters[f"t{i}"] = [tile.start_ms // 1000, tile.end_ms // 1000]
        bounds = [f"toDateTime({{t{i}:Array(UInt32)}}[{n}], 'UTC')" for n in (1, 2)]
        parts.append(f"(grain = '{tile.grain}' AND pane >= {bounds[0]} AND pane < {bounds[1]})")
    return f"({' OR '.join(parts)})" if parts else "0"


def _figure(measure: str) -> str:
    return quoted(f"k_{measure}")


def _bucket(registry: Registry, request: CellsRequest) -> str:
    if request.by_day:
        return f"toInt64(toUnixTimestamp(toStartOfDay(pane, '{registry.settings.zone}'))) * 1000"
    if request.step_ms % PANE_MS:
        raise NotAnswerable(f"a step of {request.step_ms} ms is no multiple of the {PANE_MS} ms pane")
    step_s, origin_s = request.step_ms // 1000, request.origin_ms // 1000
    return f"(intDiv(toInt64(toUnixTimestamp(pane)) - {origin_s}, {step_s}) * {step_s} + {origin_s}) * 1000"


def _end(request: CellsRequest) -> str:
    order = [f"{' / '.join(_figure(m) for m in request.order)} DESC NULLS LAST"] if request.order else []
    keys = [quoted(d) for d in request.group_by] if request.order else []
    return (f" ORDER BY {', '.join([*order, *keys])}" if order else "") + (
        f" LIMIT {request.limit}" if request.limit else ""
    )


def _why(registry: Registry, measures: Sequence[str], needed: frozenset[str]) -> str:
    possible = sorted(
        {
            " + ".join(c.dimensions) or "(no dimension)"
            for name, c in registry.cubes.items()
            if set(measures) <= {m.measure.measure for m in registry.measures_in_cube(name)}
        }
    )
    return f"no stored cube cuts these metrics by {' + '.join(sorted(needed)) or 'nothing'}; possible: {', '.join(possible) or 'none together'}"
