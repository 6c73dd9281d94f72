"""Cutting a stretch of time into steps: whole ones only, counted from the start of the business day. Pure; epoch ms."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.business_days import day_ceil, day_floor, next_day

MAX_POINTS = 11_000
SENSIBLE_POINTS = 300
_DAY_MS = 86_400_000
SENSIBLE_STEPS = {"10s": 10_000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "1d": _DAY_MS}


class TooManyPoints(ValueError):
    """The message says what to do."""


@dataclass(frozen=True, slots=True)
class Steps:
    """[start_ms, end_ms) cut at ``starts``; ``step_ms`` None: business days. ``origin_ms``: where counting begins."""

    step_ms: int | None
    origin_ms: int
    start_ms: int
    end_ms: int
    starts: tuple[int, ...]

    def end_of(self, index: int) -> int:
        """End of a step."""
        return self.starts[index + 1] if index + 1 < len(self.starts) else self.end_ms


def steps(from_ms: int, to_ms: int, step_ms: int | None, zone: ZoneInfo) -> Steps:
    """The steps that touch [from_ms, to_ms), each whole. Raises TooManyPoints."""
    if (to_ms - from_ms) // (step_ms or _DAY_MS) > MAX_POINTS:
        raise TooManyPoints(f"more than {MAX_POINTS} points; take a longer step or a shorter stretch")
    origin_ms = day_floor(from_ms, zone)
    if step_ms is None:
        end_ms = day_ceil(to_ms, zone)
        starts = [origin_ms]
        while (following := next_day(starts[-1], zone)) < end_ms:
            starts.append(following)
        return Steps(None, origin_ms, origin_ms, end_ms, tuple(starts))
    start_ms = origin_ms + (from_ms - origin_ms) // step_ms * step_ms
    end_ms = origin_ms - (origin_ms - to_ms) // step_ms * step_ms
    return Steps(step_ms, origin_ms, start_ms, end_ms, tuple(range(start_ms, end_ms, step_ms)))


def sensible_step(from_ms: int, to_ms: int) -> str:
    """The shortest of the usual steps that gives no more points than a screen shows."""
    return next((name for name, ms in SENSIBLE_STEPS.items() if (to_ms - from_ms) / ms <= SENSIBLE_POINTS), "1d")
