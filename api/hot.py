"""Which figures are kept ready, and the one query that reads them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.alignment import reading_of
from api.freshness import TopicFreshness
from api.tiling import tile
from api.windows import HOT_WINDOWS, Window, resolve
from metric_defs.compile.read import ReadPlan
from metric_defs.compile.read_windows import WindowsRequest, cuts, plan_windows, stretches
from metric_defs.models import Cube
from metric_defs.registry import Registry


@dataclass(frozen=True, slots=True)
class HotSet:
    """Cubes kept ready: the one without dimensions, and the one of the registry's key. Either may be missing."""

    total: Cube | None
    keyed: Cube | None
    measures: tuple[str, ...]
    metrics: frozenset[str]
    """Metrics that ``total`` answers."""
    keyed_metrics: frozenset[str]
    """Metrics that ``keyed`` answers for a key."""

    @property
    def cubes(self) -> tuple[Cube, ...]:
        """What is read."""
        return tuple(c for c in (self.total, self.keyed) if c is not None)


def hot_set(registry: Registry, with_keys: bool = True) -> HotSet:
    """The hot set of a registry."""
    key = registry.key_dimension
    total = next((c for c in registry.cubes.values() if not c.dimensions), None)
    keyed = next((c for c in registry.cubes.values() if c.dimensions == (key,)), None) if with_keys else None
    held = {m.measure.measure: None for c in (total, keyed) if c for m in registry.measures_in_cube(c.cube)}
    return HotSet(total, keyed, tuple(held), _answered(registry, total, ()), _answered(registry, keyed, (key,)))


def _answered(registry: Registry, cube: Cube | None, dimensions: Iterable[str]) -> frozenset[str]:
    if cube is None:
        return frozenset()
    held = {m.measure.measure for m in registry.measures_in_cube(cube.cube)}
    return frozenset(
        code
        for code, metric in registry.metrics.items()
        if set(dimensions) <= set(metric.dimensions) and set(registry.measures_of_metric(code)) <= held
    )


@dataclass(frozen=True, slots=True)
class HotPlan:
    """``named``: the windows as asked for; ``read``: those that are read, aligned ones too, by index in the result."""

    plan: ReadPlan
    named: Mapping[str, Window]
    read: tuple[Window, ...]


def plan_hot(registry: Registry, hot: HotSet, freshness: Mapping[str, TopicFreshness], now_ms: int) -> HotPlan:
    """Everything hot at ``now_ms``: each window, and each as far as metrics over several events may be read."""
    named = {name: resolve(name, now_ms, registry.settings.tz) for name in HOT_WINDOWS}
    by_events = {registry.events_of_metric(code): code for code in hot.metrics | hot.keyed_metrics}
    read = [
        *named.values(),
        *(reading_of(registry, code, w, freshness).window for w in named.values() for code in by_events.values()),
    ]
    spans = list(dict.fromkeys((w.start_ms, w.end_ms) for w in read if not w.empty))
    grains = set.intersection(*(set(c.grains) for c in hot.cubes))
    tiles = {piece: tile(*piece, grains, registry.settings.tz) for piece in cuts(spans)}
    plan = plan_windows(registry, WindowsRequest(hot.measures, hot.cubes, stretches(spans, tiles)))
    return HotPlan(plan, named, tuple(Window("", *span) for span in spans))
