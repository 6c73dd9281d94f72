"""Rules for the overview that the registry's settings describe: what it shows exists and can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metric_defs.faults import Fault, did_you_mean
from metric_defs.models import Measure
from metric_defs.places import Places
from metric_defs.registry import Registry
from metric_defs.rules.rule import Rule
from metric_defs.source import Path_


def overview_metrics(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for path, code in _named(registry):
        if code not in registry.metrics and not places.is_broken("metric", code):
            yield places.fault(
                "registry",
                registry.settings.registry,
                path,
                f"'{path[0]}' names the unknown metric '{code}'",
                did_you_mean(code, registry.metrics),
            )


def overview_rankings(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for i, ranking in enumerate(registry.settings.top):
        metric = registry.metrics[ranking.metric]
        cut = frozenset({ranking.dimension})
        if ranking.dimension not in metric.dimensions:
            message = f"metric '{ranking.metric}' is not cut by '{ranking.dimension}'"
            hint = did_you_mean(ranking.dimension, metric.dimensions)
        elif registry.cube_for(registry.measures_of_metric(ranking.metric), cut) is None:
            message = f"no cube holds metric '{ranking.metric}' cut by '{ranking.dimension}'"
            hint = "add one with that dimension"
        else:
            continue
        yield places.fault("registry", registry.settings.registry, ("top", i, "dimension"), f"'top': {message}", hint)


def _named(registry: Registry) -> Iterator[tuple[Path_, str]]:
    settings = registry.settings
    yield from ((("headline", i), code) for i, code in enumerate(settings.headline))
    if settings.trend:
        yield ("trend",), settings.trend
    yield from ((("top", i, "metric"), r.metric) for i, r in enumerate(settings.top))


PART_RULES: tuple[Rule, ...] = (overview_metrics,)
WHOLE_RULES: tuple[Rule, ...] = (overview_rankings,)
