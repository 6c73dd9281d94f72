"""Named windows of event time, resolved at an instant. Pure; instants are epoch ms, windows are half-open.

``today`` is the whole business day: what was counted is in it however the clocks of shops, worker and api differ, and
it is read from the day's own cells. Trailing windows end with the last pane that is over; ``total`` is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.business_days import day_floor, next_day
from metric_defs.models import PANE_MS

TRAILING_MS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}
HOT_WINDOWS = ("today", *TRAILING_MS)
WINDOWS = (*HOT_WINDOWS, "total")
_FIRST_MS, _LAST_MS = 946_684_800_000, 4_102_444_800_000
"""2000 and 2100 in UTC: no event is counted before the former, no clock shows the latter."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of event time [start_ms, end_ms) and its name ('' for one given by its edges)."""

    name: str
    start_ms: int
    end_ms: int

    def until(self, end_ms: int) -> Window:
        """The same window, ended earlier; empty when ``end_ms`` lies before its start."""
        return Window(self.name, self.start_ms, max(self.start_ms, min(self.end_ms, end_ms)))

    @property
    def empty(self) -> bool:
        """No pane lies in it."""
        return self.end_ms <= self.start_ms


def resolve(name: str, now_ms: int, zone: ZoneInfo) -> Window:
    """The window ``name`` at ``now_ms``. Raises KeyError for an unknown name."""
    if name == "today":
        return Window(name, day_floor(now_ms, zone), next_day(now_ms, zone))
    if name == "total":
        return Window(name, day_floor(_FIRST_MS, zone), day_floor(_LAST_MS, zone))
    end_ms = pane_floor(now_ms)
    return Window(name, end_ms - TRAILING_MS[name], end_ms)


def resolve_at(name: str, at_ms: int, zone: ZoneInfo) -> Window:
    """The window as it stood at a past instant: nothing later than its pane. Raises KeyError for an unknown name."""
    return resolve(name, at_ms, zone).until(pane_floor(at_ms) + PANE_MS)


def pane_floor(ms: int) -> int:
    """Start of the pane of an instant."""
    return ms // PANE_MS * PANE_MS
