"""Up to when a metric may be read: one made of several events no further than the slowest of them has come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.freshness import TopicFreshness, lowest_frontier
from api.windows import Window, pane_floor
from metric_defs.registry import Registry


@dataclass(frozen=True, slots=True)
class Reading:
    """The part of a window that is read, and the instant it was cut at (None: it was not)."""

    window: Window
    aligned_to_ms: int | None = None


def topics_of(registry: Registry, code: str) -> tuple[str, ...]:
    """Topics whose records a metric is made of."""
    return tuple(registry.events[e].topic for e in registry.events_of_metric(code))


def reading_of(registry: Registry, code: str, window: Window, freshness: Mapping[str, TopicFreshness]) -> Reading:
    """What to read of ``window`` for a metric: all of it, or, for a metric over several events, up to the pane of their
    lowest frontier, so that a ratio never sets a later numerator against an earlier denominator."""
    topics = topics_of(registry, code)
    lowest = lowest_frontier(topics, freshness) if len(topics) > 1 else None
    if lowest is None or pane_floor(lowest) >= window.end_ms:
        return Reading(window)
    cut = pane_floor(lowest)
    return Reading(window.until(cut), cut)
