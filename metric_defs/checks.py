"""Compile the measures and judge the definitions together; whatever can be asked is asked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metric_defs.expressions import Aggregate, Condition, ExpressionError, parse_aggregate, parse_condition
from metric_defs.faults import Fault, did_you_mean
from metric_defs.models import Event, Measure
from metric_defs.places import Places
from metric_defs.registry import CompiledMeasure, Registry
from metric_defs.rules import cubes, events, meaning, metrics, overview
from metric_defs.rules.rule import Rule

RULES: tuple[Rule, ...] = (*events.RULES, *metrics.PART_RULES, *cubes.RULES, *overview.PART_RULES)
"""May be asked of any registry."""
SOUND_RULES: tuple[Rule, ...] = (*metrics.RULES, *meaning.RULES)
"""Asked of those metrics whose parts could all be found."""
WHOLE_RULES: tuple[Rule, ...] = (*meaning.WHOLE_RULES, *overview.WHOLE_RULES)
"""Asked when nothing else is wrong: what seems unused may be used by a definition that was rejected."""


def check(
    draft: Registry, measures: Mapping[str, Measure], places: Places, *, sound: bool = True
) -> tuple[Registry, list[Fault]]:
    """Compile the measures and apply the rules. Returns the registry and all faults (empty: it is good).

    ``sound``: no definition has been rejected before.
    """
    compiled, faults = _compile(draft, measures, places)
    registry = replace(draft, measures=compiled)
    faults += [f for rule in RULES for f in rule(registry, measures, places)]
    complete = replace(registry, metrics={c: m for c, m in registry.metrics.items() if _has_parts(registry, c)})
    faults += [f for rule in SOUND_RULES for f in rule(complete, measures, places)]
    if sound and not faults:
        faults += [f for rule in WHOLE_RULES for f in rule(registry, measures, places)]
    return registry, faults


def _has_parts(registry: Registry, code: str) -> bool:
    metric = registry.metrics[code]
    if metric.type == "simple":
        return metric.measure in registry.measures
    parts = [registry.metrics.get(p) for p in (metric.numerator, metric.denominator)]
    return all(p is not None and p.type == "simple" and p.measure in registry.measures for p in parts)


def _compile(
    draft: Registry, measures: Mapping[str, Measure], places: Places
) -> tuple[dict[str, CompiledMeasure], list[Fault]]:
    compiled: dict[str, CompiledMeasure] = {}
    faults: list[Fault] = []
    for name, measure in measures.items():
        event = draft.events.get(measure.event)
        if event is None:
            if not places.is_broken("event", measure.event):
                faults.append(
                    places.fault(
                        "measure",
                        name,
                        ("event",),
                        f"measure '{name}' uses the unknown event '{measure.event}'",
                        did_you_mean(measure.event, draft.events),
                    )
                )
            continue
        types = {n: f.type for n, f in event.fields.items()}
        aggregate: Aggregate | None = None
        condition: Condition | None = None
        try:
            aggregate = parse_aggregate(measure.expr, types)
            faults += _unknown_values(event, name, "expr", aggregate.compared, places)
        except ExpressionError as exc:
            faults.append(places.fault("measure", name, ("expr",), f"measure '{name}': {exc}", exc.hint))
        try:
            condition = parse_condition(measure.filter, types)
            faults += _unknown_values(event, name, "filter", condition.compared, places)
        except ExpressionError as exc:
            faults.append(places.fault("measure", name, ("filter",), f"measure '{name}': {exc}", exc.hint))
        if aggregate and condition:
            compiled[name] = CompiledMeasure(measure, aggregate, condition)
    return compiled, faults


def _unknown_values(
    event: Event, name: str, role: str, compared: frozenset[tuple[str, str]], places: Places
) -> list[Fault]:
    """A comparison that can never hold: the field declares its values, and the literal is none of them."""
    return [
        places.fault(
            "measure",
            name,
            (role,),
            f"measure '{name}': '{field}' is never '{text}'",
            did_you_mean(text, event.fields[field].values),
        )
        for field, text in sorted(compared)
        if event.fields[field].values
        and text not in event.fields[field].values
        and text != (event.fields[field].default or "")
    ]
