"""The only place in api that reads the wall clock; everything else is handed a ``Clock``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Returns epoch milliseconds."""


def system_clock() -> int:
    """Epoch ms of this machine."""
    return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """An instant as answers state it: UTC, milliseconds, ``Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
