"""The only place in streams that reads the wall clock; everything else is handed a ``Clock``."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns epoch milliseconds."""


def system_clock() -> int:
    """Epoch ms of this machine."""
    return time.time_ns() // 1_000_000
