"""Many windows of several cubes in one query: what a snapshot of hot figures is made of.

Windows overlap (the last minute lies in the last hour and in today), so time is cut where any of them begins or ends;
each stretch between two cuts is merged once, and the few merged states again into the windows they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from metric_defs.compile.aggregates import KINDS, measure_sql, rolled_up
from metric_defs.compile.layout import literal, quoted
from metric_defs.compile.read import ReadPlan, Tile, measure_values, time_condition
from metric_defs.models import Cube
from metric_defs.registry import Registry


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of time and the windows (by index) it belongs to. Stretches of one request do not overlap."""

    tiles: tuple[Tile, ...]
    windows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowsRequest:
    """Measures of ``cubes`` (those with the fewest dimensions first) over windows made of ``stretches``."""

    measures: tuple[str, ...]
    cubes: tuple[Cube, ...]
    stretches: tuple[Stretch, ...]


def plan_windows(registry: Registry, request: WindowsRequest) -> ReadPlan:
    """Result columns: ``k_window`` (index), ``cube``, the cubes' dimensions ('' where one is lacking), the measures."""
    parameters: dict[str, object] = {}
    conditions = [time_condition(s.tiles, parameters) for s in request.stretches]
    numbered = ", ".join(f"{c}, {i}" for i, c in enumerate(conditions[:-1]))
    stretch = f"multiIf({numbered}, {len(conditions) - 1})" if numbered else "0"
    dimensions = tuple(dict.fromkeys(d for c in request.cubes for d in c.dimensions))
    keys = ["`cube`", *(quoted(d) for d in dimensions)]
    sql = [measure_sql(registry.measures[m]) for m in request.measures]
    kinds = [kind for kind in KINDS if any(s.kind == kind for s in sql)]
    cubes = ", ".join(literal(c.cube) for c in request.cubes)
    once = [
        rolled_up(k) for k in kinds
    ]  # nearly all measures are asked for: taking the others out costs more than it saves
    select = ", ".join([*keys, f"{stretch} AS k_stretch", *(f"{o} AS k_{k}" for o, k in zip(once, kinds, strict=True))])
    where = f"`cube` IN ({cubes}) AND seq = 0 AND ({' OR '.join(conditions)})"
    pieces = f"SELECT {select} FROM panes WHERE {where} GROUP BY {', '.join([*keys, 'k_stretch'])}"
    belongs = ", ".join(f"[{', '.join(map(str, s.windows))}]" for s in request.stretches)
    windows = (
        f"SELECT {', '.join(['k_window', *keys, *(_finished(k) for k in kinds)])} FROM ({pieces}) "
        f"ARRAY JOIN arrayElement([{belongs}], k_stretch + 1) AS k_window GROUP BY {', '.join(['k_window', *keys])}"
    )
    values = ", ".join(["k_window", *keys, *measure_values(registry, request.measures)])
    columns = ("k_window", "cube", *dimensions, *request.measures)
    cube_names = ",".join(c.cube for c in request.cubes)
    return ReadPlan(f"SELECT {values} FROM ({windows})", parameters, columns, cube_names)


def stretches(
    windows: Sequence[tuple[int, int]], tiles: Mapping[tuple[int, int], tuple[Tile, ...]]
) -> tuple[Stretch, ...]:
    """The stretches of ``cuts(windows)`` with their tiles, each with the windows that hold it."""
    return tuple(
        Stretch(
            tiles[piece], tuple(i for i, (start, end) in enumerate(windows) if start <= piece[0] and piece[1] <= end)
        )
        for piece in cuts(windows)
    )


def cuts(windows: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """[start, end) pieces between all edges of the windows, without those that lie in no window."""
    edges = sorted({edge for window in windows for edge in window})
    return tuple((a, b) for a, b in pairwise(edges) if any(start <= a and b <= end for start, end in windows))


def _finished(kind: str) -> str:
    if kind == "sketches":
        return "uniqCombined64MapMerge(k_sketches) AS sketches"
    return f"groupUniqArrayArray(k_{kind}) AS {kind}" if kind == "sets" else f"sumMap(k_{kind}) AS {kind}"
