"""The registry as an answer: the list of metrics and the card of each. Pure."""

from __future__ import annotations

from api.figures import relative_error
from metric_defs.models import Event, Metric, Text
from metric_defs.registry import Registry


def listed(registry: Registry, text: str = "", unit: str = "", owner: str = "") -> list[dict[str, object]]:
    """Metrics whose code, names or explanations hold ``text``, of a unit and an owner ('': any)."""
    wanted = text.casefold()
    return [
        _summary(registry, m)
        for m in registry.metrics.values()
        if (not unit or m.unit == unit)
        and (not owner or m.owner == owner)
        and any(wanted in t.casefold() for t in (m.metric, m.name.zh, m.name.en, m.description.zh, m.description.en))
    ]


def dimensions(registry: Registry) -> list[dict[str, object]]:
    """Every dimension with its name: the first description that an event gives of the field, else the field's own."""
    found: list[dict[str, object]] = []
    for dimension in registry.dimensions:
        fields = [e.fields[dimension] for e in registry.events.values() if dimension in e.fields]
        text = next((f.description for f in fields if f.description), None)
        found.append({"dimension": dimension, "name": _text(text) if text else {"zh": dimension, "en": dimension}})
    return found


def overview(registry: Registry) -> dict[str, object]:
    """What an overview of this registry shows: as its settings say, else the first published sums and counts."""
    settings = registry.settings
    plain = [c for c, m in registry.metrics.items() if m.status == "published" and m.type == "simple"]
    headline = (
        list(settings.headline)
        or [c for c in plain if registry.metrics[c].unit in ("money", "count", "people")][:8]
        or plain[:8]
    )
    trend = settings.trend or next(
        (c for c in headline if registry.metrics[c].type == "simple"), headline[0] if headline else ""
    )
    key = registry.key_dimension
    return {
        "headline": headline,
        "trend": trend,
        "top": [r.model_dump() for r in settings.top],
        "key": key,
        "keys_by": next((c for c in (trend, *headline) if c and key in registry.metrics[c].dimensions), None)
        if key
        else None,
    }


def card(registry: Registry, code: str) -> dict[str, object]:
    """Everything there is to know of a metric. Raises KeyError for an unknown code."""
    metric = registry.metrics[code]
    events = [registry.events[e] for e in registry.events_of_metric(code)]
    measures = [registry.measures[m] for m in registry.measures_of_metric(code)]
    return {
        **_summary(registry, metric),
        "formula": _formula(registry, metric),
        "parts": {
            r: _part(registry, c) for r, c in (("numerator", metric.numerator), ("denominator", metric.denominator))
        }
        if metric.type == "ratio"
        else None,
        "scale": metric.scale,
        "measures": [
            {
                "measure": m.measure.measure,
                "event": m.measure.event,
                "formula": m.formula,
                "expr": m.measure.expr,
                "filter": m.measure.filter,
                "exact": m.exact,
                "fingerprint": m.fingerprint,
            }
            for m in measures
        ],
        "additivity": {d: registry.additivity(code, d) for d in (*metric.dimensions, "time")},
        "cuts": sorted(
            (
                list(c.dimensions)
                for n, c in registry.cubes.items()
                if set(c.dimensions) <= set(metric.dimensions)
                and {m.measure.measure for m in measures} <= {m.measure.measure for m in registry.measures_in_cube(n)}
            ),
            key=lambda d: (len(d), d),
        ),
        "events": [_event(e) for e in events],
        "business_day_zone": registry.settings.zone,
        "source": metric.source or None,
    }


def _summary(registry: Registry, metric: Metric) -> dict[str, object]:
    error = relative_error(registry, metric.metric)
    return {
        "metric": metric.metric,
        "version": metric.version,
        "definition": metric.id,
        "fingerprint": registry.metric_fingerprint(metric.metric),
        "name": _text(metric.name),
        "description": _text(metric.description),
        "type": metric.type,
        "unit": metric.unit,
        "currency": registry.settings.currency if metric.unit == "money" else None,
        "owner": metric.owner,
        "status": metric.status,
        "dimensions": list(metric.dimensions),
        "exact": error == 0,
        "relative_error": error or None,
    }


def _formula(registry: Registry, metric: Metric) -> str:
    if metric.type == "simple":
        return registry.measures[metric.measure].formula
    scale = f"{metric.scale} * " if metric.scale != 1 else ""
    return f"{scale}{metric.numerator} / {metric.denominator}"


def _part(registry: Registry, code: str) -> dict[str, object]:
    metric = registry.metrics[code]
    return {"metric": code, "definition": metric.id, "name": _text(metric.name), "formula": _formula(registry, metric)}


def _event(event: Event) -> dict[str, object]:
    return {
        "event": event.event,
        "topic": event.topic,
        "description": _text(event.description),
        "key": event.key,
        "time_field": event.time,
        "dedupe": {"key": list(event.dedupe.key), "horizon_ms": event.dedupe.horizon} if event.dedupe else None,
        "disorder_ms": event.disorder,
        "allowed_lateness_ms": event.allowed_lateness,
        "future_cap_ms": event.future_cap,
    }


def _text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
