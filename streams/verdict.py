"""What becomes of each record of a flush: counted, duplicate, too_late or dead. Pure: arrays in, codes out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metric_defs.models import Event
from streams.dedupe import NEVER, SeenKeys
from streams.watermark import NO_TIME, running_watermarks, too_late

COUNTED, DUPLICATE, TOO_LATE, DEAD = range(4)
"""Codes, the indices of ``metric_defs.compile.layout.VERDICTS``."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the kernel says of a flush's records of one partition, in offset order; all arrays have one length."""

    key_high: npt.NDArray[np.uint64]
    key_low: npt.NDArray[np.uint64]
    event_time_ms: npt.NDArray[np.int64]
    reason: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdict code of each record, and the greatest event time of the partition after them."""

    verdict: npt.NDArray[np.uint8]
    greatest_ms: int

    def count(self, code: int) -> int:
        """How many records got this verdict."""
        return int(np.count_nonzero(self.verdict == code))


def judge(decoded: Decoded, event: Event, greatest_before_ms: int, seen: SeenKeys | None) -> Judged:
    """Judge records by docs/semantics.md and remember the counted keys in ``seen``.

    The outcome depends on the records and their order alone, never on how they were cut into flushes.
    """
    n = len(decoded.reason)
    verdict = np.full(n, DEAD, np.uint8)
    if n == 0:
        return Judged(verdict, greatest_before_ms)
    alive = decoded.reason == 0
    watermarks = running_watermarks(decoded.event_time_ms, alive, greatest_before_ms, event.disorder)
    greatest = int(watermarks[-1]) + event.disorder
    late = too_late(decoded.event_time_ms, watermarks, event.allowed_lateness)
    verdict[alive] = np.where(late[alive], TOO_LATE, COUNTED)
    if seen is not None:
        _mark_duplicates(decoded, watermarks, alive, verdict, seen)
        kept = np.flatnonzero(verdict == COUNTED)
        seen.add(decoded.key_high[kept], decoded.key_low[kept], decoded.event_time_ms[kept], greatest - event.disorder)
    return Judged(verdict, max(greatest, NO_TIME))


def _mark_duplicates(
    decoded: Decoded,
    watermarks: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    verdict: npt.NDArray[np.uint8],
    seen: SeenKeys,
) -> None:
    times = seen.times(decoded.key_high, decoded.key_low)
    remembered = (times != NEVER) & (watermarks - np.maximum(times, NO_TIME) < seen.horizon_ms)
    verdict[alive & remembered] = DUPLICATE
    # a key that occurs twice in this flush: few, so they are walked one by one in offset order
    order = np.argsort(decoded.key_high, kind="stable")
    twin = decoded.key_high[order][1:] == decoded.key_high[order][:-1]
    again = np.unique(np.concatenate([order[1:][twin], order[:-1][twin]]))
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for i in again.tolist():
        if alive[i]:
            groups[int(decoded.key_high[i]), int(decoded.key_low[i])].append(i)
    for members in groups.values():
        last = int(times[members[0]])
        for i in members:
            if last != NEVER and int(watermarks[i]) - last < seen.horizon_ms:
                verdict[i] = DUPLICATE
            elif verdict[i] == COUNTED:
                last = int(decoded.event_time_ms[i])
