"""When a record is due. Open loop: due times are fixed by the start, so a slow broker shows as a backlog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """At ``rate`` records a second, or at ``speed`` times event time (1 = as it happened); with neither: full speed.

    Raises ValueError when both are given or one is not positive.
    """

    rate: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and self.speed is not None:
            raise ValueError("give a rate or a speed, not both")
        for name, value in (("rate", self.rate), ("speed", self.speed)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} {value}: give a number above 0")

    @property
    def full_speed(self) -> bool:
        """Every record is due at once."""
        return self.rate is None and self.speed is None

    def due(self, sent: int, times_ms: Sequence[int], begin: int, end: int, first_ms: int, elapsed_s: float) -> int:
        """How many of the records ``begin..end`` of a batch are due.

        ``sent``: records sent so far in all; ``first_ms``: time of the first of all; ``elapsed_s``: since the start.
        """
        if self.rate is not None:
            return max(0, min(end - begin, int(elapsed_s * self.rate) + 1 - sent))
        if self.speed is None:
            return end - begin
        horizon_ms = first_ms + elapsed_s * 1000 * self.speed
        index = begin
        while index < end and times_ms[index] <= horizon_ms:
            index += 1
        return index - begin

    def wait_s(self, sent: int, next_ms: int, first_ms: int, elapsed_s: float) -> float:
        """Seconds until the next record is due (0 when it is)."""
        if self.rate is not None:
            return max(0.0, sent / self.rate - elapsed_s)
        if self.speed is None:
            return 0.0
        return max(0.0, (next_ms - first_ms) / 1000 / self.speed - elapsed_s)


FULL_SPEED = Pacing()
