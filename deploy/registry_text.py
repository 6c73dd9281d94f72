"""The registry as people and programs read it on the command line."""

from __future__ import annotations

from typing import Any

from deploy.errors import OperatorError
from metric_defs import Registry
from metric_defs.compile.ddl import create_statements
from metric_defs.compile.kernel import kernel_plan
from metric_defs.faults import did_you_mean


class UnknownMetric(OperatorError):
    """No metric has this code."""


def listing(registry: Registry) -> list[dict[str, str]]:
    """One row a metric."""
    return [
        {"metric": code, "type": m.type, "unit": m.unit, "zh": m.name.zh, "en": m.name.en, "owner": m.owner}
        for code, m in registry.metrics.items()
    ]


def card(registry: Registry, code: str) -> dict[str, Any]:
    """Everything about one metric. Raises UnknownMetric."""
    metric = registry.metrics.get(code)
    if metric is None:
        hint = did_you_mean(code, registry.metrics)
        raise UnknownMetric(f"no metric '{code}' in this registry", hint or "'metricgrid registry show' lists them")
    measures = [registry.measures[name] for name in registry.measures_of_metric(code)]
    names = {m.measure.measure for m in measures}
    cubes = [cube for cube in registry.cubes if names <= {m.measure.measure for m in registry.measures_in_cube(cube)}]
    parts = {} if metric.type == "simple" else {"numerator": metric.numerator, "denominator": metric.denominator}
    return {
        "metric": f"{code}@{metric.version}",
        "name": f"{metric.name.zh} · {metric.name.en}",
        "zh": metric.description.zh,
        "en": metric.description.en,
        "type": metric.type,
        **parts,
        "measures": [f"{m.measure.measure} = {m.formula} [{m.fingerprint}]" for m in measures],
        "events": list(registry.events_of_metric(code)),
        "unit": metric.unit,
        "owner": metric.owner,
        "exact": all(m.exact for m in measures),
        "dimensions": list(metric.dimensions),
        "additivity": [f"{d}: {registry.additivity(code, d)}" for d in ("time", *metric.dimensions)],
        "cubes": cubes,
    }


def compiled(registry: Registry) -> dict[str, str]:
    """Title -> statement: the tables, and per event the kernel's statements in the order they run."""
    found = {f"table {s.split('EXISTS ', 1)[1].split(' ', 1)[0]}": s for s in create_statements(registry)}
    for name in registry.events:
        plan = kernel_plan(registry, name)
        found |= {f"{name}: decode": plan.decode, f"{name}: judge": plan.judge, f"{name}: raw events": plan.raw}
        for i, cells in enumerate(plan.cells, 1):
            found |= {f"{name}: cells {i}, fill": cells.fill, f"{name}: cells {i}, emit": cells.emit}
    return found


def explained(registry: Registry) -> dict[str, dict[str, object]]:
    """Event -> what is kept and computed of it. Memory: none of today's metrics looks at earlier events of a key."""
    plans: dict[str, dict[str, object]] = {}
    for name, event in registry.events.items():
        held = {cube: [m.measure.measure for m in registry.measures_in_cube(cube, name)] for cube in registry.cubes}
        dedupe = event.dedupe
        plans[name] = {
            "topic": event.topic,
            "key": event.key,
            "lateness": f"{event.disorder} ms disorder, then {event.allowed_lateness} ms allowed",
            "dedupe": f"{' + '.join(dedupe.key)} within {dedupe.horizon} ms" if dedupe else "none",
            # a remembered key: its 128-bit hash, its time, 16 bits of the filter in front
            "memory": "26 bytes a record of the dedupe horizon" if dedupe else "none",
            "raw": "kept" if event.raw.keep else "not kept",
            "cubes": [
                f"{cube}({' × '.join(registry.cubes[cube].dimensions) or 'all'}; "
                f"{'/'.join(registry.cubes[cube].grains)}): {len(measures)} measures"
                for cube, measures in held.items()
                if measures
            ],
            "exact": [m.measure.measure for m in registry.measures.values() if m.measure.event == name and m.exact],
            "sketches": [
                m.measure.measure for m in registry.measures.values() if m.measure.event == name and not m.exact
            ],
        }
    return plans
