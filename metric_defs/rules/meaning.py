"""Rules for the whole: one meaning has one name, and everything defined is of use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metric_defs.faults import Fault
from metric_defs.models import Measure
from metric_defs.places import Places
from metric_defs.registry import Registry
from metric_defs.rules.rule import Rule


def one_formula_one_code(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    prints: dict[str, str] = {}
    for name, measure in registry.measures.items():
        if measure.fingerprint in prints:
            yield places.fault(
                "measure",
                name,
                ("expr",),
                f"measures '{prints[measure.fingerprint]}' and '{name}' are the same formula",
                "use one of them twice",
            )
        prints.setdefault(measure.fingerprint, name)
    formulas: dict[tuple[str, ...], str] = {}
    for code, metric in registry.metrics.items():
        formula = (metric.type, metric.measure, metric.numerator, metric.denominator, str(metric.scale))
        if formula in formulas:
            yield places.fault(
                "metric",
                code,
                (),
                f"metrics '{formulas[formula]}' and '{code}' are the same formula",
                "one formula, one code",
            )
        formulas.setdefault(formula, code)


def one_tag_one_measure(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    """Tags are 32 bits, so two measures of a large catalogue may share one: by chance, one in a million for 90 of them."""
    tags: dict[int, str] = {}
    for name, measure in registry.measures.items():
        other = tags.setdefault(measure.tag, name)
        if other != name and registry.measures[other].fingerprint != measure.fingerprint:
            yield places.fault(
                "measure",
                name,
                ("expr",),
                f"measures '{other}' and '{name}' would be stored under the same tag {measure.tag}",
                "write one of them differently, such as a + 0 for a",
            )


def answerable(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for code in registry.metrics:
        if registry.cube_for(registry.measures_of_metric(code), frozenset()) is None:
            yield places.fault(
                "metric",
                code,
                ("dimensions",),
                f"no cube can answer metric '{code}'",
                "add a cube whose dimensions it may be cut by (or one without dimensions)",
            )


def used(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for name in registry.cubes:
        if not registry.measures_in_cube(name):
            yield places.fault(
                "cube",
                name,
                ("dimensions",),
                f"cube '{name}' serves no metric",
                "drop it, or let a metric be cut by all of its dimensions",
            )
    for name in registry.measures:
        if not registry.metrics_of_measure(name):
            yield places.fault(
                "measure", name, (), f"measure '{name}' is used by no metric", "drop it, or define a metric of it"
            )


RULES: tuple[Rule, ...] = (one_formula_one_code, one_tag_one_measure)
WHOLE_RULES: tuple[Rule, ...] = (answerable, used)
