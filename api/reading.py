"""From a question to the queries that answer it: metrics that share a cube and a time share a query. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from api.alignment import Reading, reading_of
from api.freshness import TopicFreshness
from api.scope import Scope
from api.tiling import HOUR_MS, tile
from api.windows import Window
from metric_defs.compile.read import CellsRequest, NotAnswerable, ReadPlan, plan_read
from metric_defs.models import GRAINS, Grain
from metric_defs.registry import Registry


@dataclass(frozen=True, slots=True)
class Cut:
    """How metrics are cut and ordered. ``step_ms``, ``origin_ms``, ``by_day``, ``limit``: as in CellsRequest.
    ``ranked``: the greatest first, and no blank keys."""

    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    step_ms: int = 0
    origin_ms: int = 0
    by_day: bool = False
    ranked: bool = False
    limit: int = 0

    def grains(self, stored: Sequence[Grain]) -> tuple[Grain, ...]:
        """Grains whose panes each lie within one step."""
        fits: dict[Grain, bool] = dict.fromkeys(GRAINS, True)
        if self.step_ms and not self.by_day:
            fits["1d"] = False
            fits["1h"] = self.step_ms % HOUR_MS == 0 and self.origin_ms % HOUR_MS == 0
        return tuple(g for g in stored if fits[g])


@dataclass(frozen=True, slots=True)
class Part:
    """Metrics answered by one query (None: what may be read of the window is empty)."""

    metrics: tuple[str, ...]
    measures: tuple[str, ...]
    reading: Reading
    plan: ReadPlan | None


def plan_parts(
    registry: Registry,
    metrics: Sequence[str],
    window: Window,
    cut: Cut,
    scope: Scope,
    freshness: Mapping[str, TopicFreshness],
) -> list[Part]:
    """Queries for ``metrics`` over ``window``. Raises NotAnswerable or OutOfScope."""
    cut = replace(cut, filters=scope.narrow(cut.filters))
    needed = frozenset(cut.group_by) | frozenset(cut.filters)
    groups: dict[tuple[Reading, str], list[str]] = {}
    for code in metrics:
        cube = registry.cube_for(registry.measures_of_metric(code), needed)
        groups.setdefault((reading_of(registry, code, window, freshness), cube.cube if cube else ""), []).append(code)
    return [_part(registry, codes, reading, cube, cut) for (reading, cube), codes in groups.items()]


def _part(registry: Registry, codes: Sequence[str], reading: Reading, cube: str, cut: Cut) -> Part:
    measures = tuple(dict.fromkeys(m for c in codes for m in registry.measures_of_metric(c)))
    stored = registry.cubes[cube].grains if cube else GRAINS
    tiles = tile(reading.window.start_ms, reading.window.end_ms, cut.grains(stored), registry.settings.tz)
    order = registry.measures_of_metric(codes[0]) if cut.ranked else ()
    request = CellsRequest(
        measures, tiles, cut.group_by, cut.filters, cut.step_ms, cut.origin_ms, cut.by_day, order, cut.limit
    )
    try:
        plan = plan_read(registry, request)
    except NotAnswerable as exc:
        raise NotAnswerable(f"{', '.join(codes)}: {exc}") from exc
    return Part(tuple(codes), measures, reading, plan if tiles else None)
