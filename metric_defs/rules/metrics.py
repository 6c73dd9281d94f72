"""Rules for metrics: their parts exist, their dimensions fit their events, their names are their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metric_defs.faults import Fault, did_you_mean
from metric_defs.models import Measure, Metric
from metric_defs.places import Places
from metric_defs.registry import Registry
from metric_defs.rules.rule import Rule


def parts(registry: Registry, measures: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for code, metric in registry.metrics.items():
        if (
            metric.type == "simple"
            and metric.measure not in measures
            and not places.is_broken("measure", metric.measure)
        ):
            yield places.fault(
                "metric",
                code,
                ("measure",),
                f"metric '{code}' uses the unknown measure '{metric.measure}'",
                did_you_mean(metric.measure, measures),
            )
        for role, part in _ratio(metric):
            if part not in registry.metrics:
                if not places.is_broken("metric", part):
                    yield places.fault(
                        "metric",
                        code,
                        (role,),
                        f"metric '{code}' uses the unknown metric '{part}' as {role}",
                        did_you_mean(part, registry.metrics),
                    )
            elif registry.metrics[part].type != "simple":
                yield places.fault(
                    "metric",
                    code,
                    (role,),
                    f"metric '{code}': its {role} '{part}' is itself a ratio",
                    "a ratio is made of two simple metrics",
                )


def names(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    taken: dict[tuple[str, str], str] = {}
    for code, metric in registry.metrics.items():
        for language, text in (("zh", metric.name.zh), ("en", metric.name.en)):
            if (language, text) in taken:
                yield places.fault(
                    "metric",
                    code,
                    ("name",),
                    f"metrics '{taken[language, text]}' and '{code}' have the same name '{text}'",
                    "one name, one meaning",
                )
            taken.setdefault((language, text), code)


def dimensions(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for code, metric in registry.metrics.items():
        if len(set(metric.dimensions)) != len(metric.dimensions):
            yield places.fault(
                "metric", code, ("dimensions",), f"metric '{code}' names a dimension twice", "keep one of them"
            )
        for event in registry.events_of_metric(code):
            for dimension in dict.fromkeys(metric.dimensions):
                if dimension not in registry.events[event].fields:
                    yield places.fault(
                        "metric",
                        code,
                        ("dimensions",),
                        f"metric '{code}' cannot be cut by '{dimension}': event '{event}' has no such field",
                        did_you_mean(dimension, registry.events[event].fields),
                    )
        for role, part in _ratio(metric):
            missing = sorted(set(metric.dimensions) - set(registry.metrics[part].dimensions))
            if missing:
                yield places.fault(
                    "metric",
                    code,
                    ("dimensions",),
                    f"metric '{code}' is cut by {', '.join(missing)}, but its {role} '{part}' is not",
                    f"drop it here, or add it to '{part}'",
                )


def additivity(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for code, metric in registry.metrics.items():
        for dimension in metric.additivity:
            if dimension != "time" and dimension not in metric.dimensions:
                yield places.fault(
                    "metric",
                    code,
                    ("additivity", dimension),
                    f"metric '{code}' states the additivity of '{dimension}', which it is not cut by",
                    did_you_mean(dimension, (*metric.dimensions, "time")),
                )


def _ratio(metric: Metric) -> tuple[tuple[str, str], ...]:
    return (("numerator", metric.numerator), ("denominator", metric.denominator)) if metric.type == "ratio" else ()


PART_RULES: tuple[Rule, ...] = (parts, names)
RULES: tuple[Rule, ...] = (dimensions, additivity)
