"""What the api returns: a value that carries its own truth. Pure; instants are epoch ms, in answers RFC 3339."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.alignment import Reading, topics_of
from api.clock import rfc3339
from api.freshness import TopicFreshness, lowest_frontier
from api.windows import Window
from metric_defs.registry import Registry

FORMATS = {"money": "money_minor_units", "percent": "fraction_as_percent", "ms": "milliseconds", "per_unit": "decimal"}
Number = int | float


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known about the data when answering. ``problem``: why it cannot be brought up to date ('' if it can)."""

    now_ms: int
    as_of_ms: int
    freshness: Mapping[str, TopicFreshness]
    stale_after_ms: int
    problem: str = ""
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class Staleness:
    """Why figures must not be taken for the present: a word for programs, a sentence for people; '' if they may."""

    reason: str = ""
    detail: str = ""

    def body(self) -> dict[str, object]:
        """As JSON."""
        return (
            {"stale": True, "stale_reason": self.reason, "stale_detail": self.detail}
            if self.reason
            else {"stale": False}
        )


FRESH = Staleness()


@dataclass(frozen=True, slots=True)
class Value:
    """A metric's number; a ratio also has its parts. ``value`` is None where it cannot be stated."""

    value: Number | None
    numerator: Number | None = None
    denominator: Number | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and all that must be known to use it. ``relative_error``: standard error of an approximate value."""

    metric: str
    definition: str
    fingerprint: str
    value: Value
    is_ratio: bool
    unit: str
    currency: str | None
    relative_error: float
    window: Window
    as_of_ms: int
    frontier_ms: int | None
    freshness_ms: int | None
    final: bool
    complete: bool
    stale: Staleness
    aligned_to_ms: int | None = None
    snapshot: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """As JSON."""
        parts = {"numerator": self.value.numerator, "denominator": self.value.denominator} if self.is_ratio else {}
        return {
            "metric": self.metric,
            "definition": self.definition,
            "fingerprint": self.fingerprint,
            "keys": dict(self.keys),
            "value": self.value.value,
            **parts,
            "unit": self.unit,
            "format": FORMATS.get(self.unit, "integer"),
            **({"currency": self.currency} if self.currency else {}),
            "exact": self.relative_error == 0,
            **({"relative_error": self.relative_error} if self.relative_error else {}),
            "window": window_body(self.window),
            "as_of": rfc3339(self.as_of_ms),
            "frontier": _instant(self.frontier_ms),
            "freshness_ms": self.freshness_ms,
            "complete": self.complete,
            "status": "final" if self.final else "provisional",
            **self.stale.body(),
            **({"aligned_to": _instant(self.aligned_to_ms)} if self.aligned_to_ms is not None else {}),
            "snapshot": self.snapshot,
        }


def figure(
    registry: Registry,
    code: str,
    measures: Mapping[str, Number] | None,
    window: Window,
    reading: Reading,
    truth: Truth,
    keys: Mapping[str, str] | None = None,
) -> Figure:
    """A figure from the values of its measures over ``reading`` (None: no cell was found, hence zeros)."""
    metric = registry.metrics[code]
    frontier = lowest_frontier(topics_of(registry, code), truth.freshness)
    return Figure(
        metric=code,
        definition=metric.id,
        fingerprint=registry.metric_fingerprint(code),
        value=evaluate(registry, code, measures or {}) if not reading.window.empty else Value(None),
        is_ratio=metric.type == "ratio",
        unit=metric.unit,
        currency=registry.settings.currency if metric.unit == "money" else None,
        relative_error=relative_error(registry, code),
        window=window,
        as_of_ms=truth.as_of_ms,
        frontier_ms=frontier,
        freshness_ms=None if frontier is None else max(0, truth.now_ms - frontier),
        final=is_final(registry, code, window.end_ms, frontier),
        complete=frontier is not None and window.end_ms <= frontier,
        stale=staleness(frontier, truth),
        aligned_to_ms=reading.aligned_to_ms,
        snapshot=truth.snapshot,
        keys=keys or {},
    )


def evaluate(registry: Registry, code: str, measures: Mapping[str, Number]) -> Value:
    """A metric from its measures' values. Measures without a cell are zero; a ratio over zero is None."""
    metric = registry.metrics[code]
    if metric.type == "simple":
        return Value(measures.get(metric.measure, 0))
    numerator = measures.get(registry.metrics[metric.numerator].measure, 0)
    denominator = measures.get(registry.metrics[metric.denominator].measure, 0)
    return Value(numerator * metric.scale / denominator if denominator else None, numerator, denominator)


def is_final(registry: Registry, code: str, end_ms: int, frontier_ms: int | None) -> bool:
    """True when no event that would still be counted can fall before ``end_ms``."""
    lateness_ms = max(registry.events[e].allowed_lateness for e in registry.events_of_metric(code))
    return frontier_ms is not None and end_ms + lateness_ms <= frontier_ms


def relative_error(registry: Registry, code: str) -> float:
    """Standard error of a metric's value as a fraction of it; 0: exact. Those of a ratio's parts add up at worst."""
    return sum(registry.measures[m].relative_error for m in registry.measures_of_metric(code))


def staleness(frontier_ms: int | None, truth: Truth) -> Staleness:
    """Whether figures with this frontier may be taken for the present."""
    if truth.problem:
        return Staleness("store_unreachable", truth.problem)
    if frontier_ms is None:
        return Staleness("never_counted", "nothing has been counted up to a known moment yet")
    age_ms = truth.now_ms - frontier_ms
    return Staleness("behind", f"counting is {age_ms / 1000:.1f} s behind") if age_ms > truth.stale_after_ms else FRESH


def window_body(window: Window) -> dict[str, str | None]:
    """A window as JSON; the edges of ``total`` are open."""
    start, end = (None, None) if window.name == "total" else (rfc3339(window.start_ms), rfc3339(window.end_ms))
    return {"name": window.name or None, "start": start, "end": end}


def _instant(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
