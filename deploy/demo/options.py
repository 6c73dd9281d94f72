"""What a demo is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """``events``: order lines, the latest ones; ``rate``: simulated events a second afterwards (to watch, not once)."""

    events: int
    workers: int
    kill_worker: bool
    rate: float
