"""What the generated description says beyond the routes' names: parameters with examples from the registry. Pure."""

from __future__ import annotations

from typing import Any

from api.problems import MEDIA_TYPE, TITLES, unknown
from api.windows import WINDOWS
from metric_defs.registry import Registry


def parameters(registry: Registry, *names: str, by_dimension: bool = False) -> dict[str, Any]:
    """The query parameters of a route, and each dimension as a filter that may be repeated."""
    known = _known(registry)
    found = [{"name": n, "in": "query", **known[n]} for n in names]
    if by_dimension:
        found += [
            {
                "name": d,
                "in": "query",
                "required": False,
                "schema": {"type": "array", "items": {"type": "string"}},
                "explode": True,
                "description": f"Values of the dimension {d}; repeat it for several",
            }
            for d in registry.dimensions
            if d not in names
        ]
    return {"parameters": found}


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem details as the answer of these statuses."""
    example = unknown("metrics", "metric", "viewz", ["views", "visitors"]).body("/v1/live")
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "allowed": {"type": "array", "items": {"type": "string"}},
            "did_you_mean": {"type": "string"},
        },
    }
    return {
        s: {
            "description": TITLES[s],
            "content": {MEDIA_TYPE: {"schema": schema, "example": example if s == 422 else None}},
        }
        for s in statuses
    }


def _known(registry: Registry) -> dict[str, dict[str, Any]]:
    first = next(iter(registry.metrics), "")
    cut = next((d for m in registry.metrics.values() for d in m.dimensions), "")
    codes = ",".join(list(registry.metrics)[:2])
    text, number = {"type": "string"}, {"type": "integer"}

    def say(description: str, schema: dict[str, Any], example: object, required: bool = False) -> dict[str, Any]:
        return {
            "description": description,
            "schema": schema,
            "required": required,
            **({"example": example} if example != "" else {}),
        }

    return {
        "metrics": say("Codes joined by commas", text, codes, required=True),
        "metric": say("One code", {**text, "enum": list(registry.metrics)}, first, required=True),
        "window": say("A named window of event time", {**text, "enum": list(WINDOWS), "default": "today"}, "today"),
        "max_staleness_ms": say("Figures whose data is older are marked stale", {**number, "minimum": 0}, 10_000),
        "strict": say("Answer 503 instead of a stale figure", {"type": "boolean", "default": False}, True),
        "as_of": say(
            "The window as it stood then (RFC 3339), with what is known of it now",
            {**text, "format": "date-time"},
            "2026-01-31T12:00:00Z",
        ),
        "from": say(
            "Start, inclusive (RFC 3339); default: the start of the business day",
            {**text, "format": "date-time"},
            "2026-01-31T00:00:00+08:00",
        ),
        "to": say(
            "End, exclusive (RFC 3339); default: now", {**text, "format": "date-time"}, "2026-01-31T12:00:00+08:00"
        ),
        "step": say("A multiple of 10s, or 1d for business days; default by the length", text, "5m"),
        "group_by": say("Dimensions joined by commas", text, cut),
        "dimension": say(
            "The dimension whose keys are ranked", {**text, "enum": list(registry.dimensions)}, cut, required=True
        ),
        "n": say("How many", {**number, "minimum": 1, "maximum": 1000, "default": 10}, 10),
        "q": say("Text in code, name or explanation", text, ""),
        "unit": say("Only this unit", text, ""),
        "owner": say("Only this owner", text, ""),
    }
