"""Which keys were counted already: exact within a horizon, 26 bytes a key, no engine and no clock.

Keys are 128-bit hashes of the dedupe fields (two different keys share one with probability 2^-128 a pair). They lie in
sorted runs that are merged as they grow, so that adding is amortised and memory stays flat arrays; a one-bit filter in
front answers almost every question "seen before?" with no, without touching the runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).min
"""Time of a key that was not seen."""
MAX_RUNS = 6
BITS_PER_KEY = 16


@dataclass(frozen=True, slots=True)
class _Run:
    high: U64
    low: U64
    time: I64


class SeenKeys:
    """Keys with the event time (epoch ms) they were counted with, forgotten ``horizon_ms`` behind the watermark."""

    def __init__(self, horizon_ms: int) -> None:
        self.horizon_ms = horizon_ms
        self._runs: list[_Run] = []
        self._filter = _BitFilter(1 << 16)

    def __len__(self) -> int:
        return sum(len(r.high) for r in self._runs)

    @property
    def size_bytes(self) -> int:
        """Memory held, without the passing copy of a merge."""
        return 24 * len(self) + self._filter.size_bytes

    def times(self, high: U64, low: U64) -> I64:
        """For each key the latest time it was counted with, or NEVER."""
        out = np.full(len(high), NEVER, np.int64)
        maybe = np.flatnonzero(self._filter.test(low))
        if not len(maybe):
            return out
        wanted_high, wanted_low = high[maybe], low[maybe]
        for run in self._runs:
            at = np.searchsorted(run.high, wanted_high)
            inside = np.flatnonzero(at < len(run.high))
            while len(inside):  # keys that share the high half stand side by side; step through them
                position = at[inside]
                same_high = run.high[position] == wanted_high[inside]
                inside, position = inside[same_high], position[same_high]
                hit = run.low[position] == wanted_low[inside]
                target = maybe[inside[hit]]
                out[target] = np.maximum(out[target], run.time[position[hit]])
                at[inside] += 1
                inside = inside[at[inside] < len(run.high)]
        return out

    def add(self, high: U64, low: U64, time: I64, watermark_ms: int) -> None:
        """Remember counted keys; forgets, when runs are merged, what the watermark has left behind."""
        if not len(high):
            return
        order = np.argsort(high, kind="stable")
        self._runs.append(_Run(high[order], low[order], time[order]))
        if len(self._runs) > MAX_RUNS:
            self._merge(watermark_ms)
        elif (len(self)) * BITS_PER_KEY > self._filter.bits * 2:
            self._refilter()
        else:
            self._filter.set(low)

    def _merge(self, watermark_ms: int) -> None:
        """Merge the younger half of the runs, or all when the oldest no longer dwarfs the rest."""
        self._runs.sort(key=lambda r: -len(r.high))
        young = sum(len(r.high) for r in self._runs[1:])
        keep = 1 if len(self._runs[0].high) > 3 * young else 0
        parts = self._runs[keep:]
        high = np.concatenate([r.high for r in parts])
        low = np.concatenate([r.low for r in parts])
        time = np.concatenate([r.time for r in parts])
        alive = np.flatnonzero(watermark_ms - time < self.horizon_ms)
        order = alive[np.argsort(high[alive], kind="stable")]
        self._runs = [*self._runs[:keep], _Run(high[order], low[order], time[order])]
        self._refilter()

    def _refilter(self) -> None:
        self._filter = _BitFilter(max(1 << 16, 1 << (len(self) * BITS_PER_KEY - 1).bit_length()))
        for run in self._runs:
            self._filter.set(run.low)


class _BitFilter:
    """One bit per key: a clear bit means never seen."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._bytes = np.zeros(bits // 8, np.uint8)

    @property
    def size_bytes(self) -> int:
        return len(self._bytes)

    def test(self, keys: U64) -> npt.NDArray[np.bool_]:
        slot = keys & np.uint64(self.bits - 1)
        hit: npt.NDArray[np.bool_] = (
            self._bytes[slot >> np.uint64(3)] >> (slot & np.uint64(7)).astype(np.uint8)
        ) & np.uint8(1) == 1
        return hit

    def set(self, keys: U64) -> None:
        slot = keys & np.uint64(self.bits - 1)
        byte, bit = slot >> np.uint64(3), (slot & np.uint64(7)).astype(np.uint8)
        for value in range(8):  # one pass per bit: |= with repeated indices is safe when the operand is the same
            self._bytes[byte[bit == value]] |= np.uint8(1 << value)
