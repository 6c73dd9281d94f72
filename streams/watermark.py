"""How far event time has come, and what is too late: pure arithmetic on epoch ms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metric_defs.models import PANE_MS

I64 = npt.NDArray[np.int64]
NO_TIME = -(2**62)
"""Greatest event time of a partition that has had no record yet; far enough from the edge to subtract from."""


def running_watermarks(times: I64, alive: npt.NDArray[np.bool_], greatest_before: int, disorder_ms: int) -> I64:
    """Watermark at each record, itself included; records that are not alive do not move it. Shape of ``times``."""
    seen = np.where(alive, times, NO_TIME)
    if len(seen):
        seen[0] = max(int(seen[0]), greatest_before)
    return np.maximum.accumulate(seen) - disorder_ms


def too_late(times: I64, watermarks: I64, allowed_lateness_ms: int) -> npt.NDArray[np.bool_]:
    """True where the record's pane ended ``allowed_lateness_ms`` or more before its watermark."""
    pane_end = times // PANE_MS * PANE_MS + PANE_MS
    return pane_end + allowed_lateness_ms <= watermarks


def frontier(watermark_ms: int, last_record_ms: int, caught_up_ms: int | None, idle_after_ms: int) -> int:
    """Epoch ms up to which a partition is complete.

    While records come it is the watermark. A partition at the end of its log (``caught_up_ms``: when that was last
    seen; None: it is behind) that has been silent for ``idle_after_ms`` is complete up to that silence's edge.
    """
    if caught_up_ms is not None and caught_up_ms - last_record_ms >= idle_after_ms:
        return max(watermark_ms, caught_up_ms - idle_after_ms)
    return watermark_ms
