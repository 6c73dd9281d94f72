"""The kernel on chDB: raw JSON in, verdict facts, raw rows and state rows out, all as bytes of the engine's own formats.

One kernel belongs to one thread at a time; the GIL is released while the engine works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from chdb import session

from metric_defs.compile.kernel import MAX_RECORD_BYTES, REASONS, KernelPlan, kernel_plan
from metric_defs.registry import Registry
from streams.verdict import COUNTED, Decoded

_JUDGE_ROW = np.dtype([("low", "<u8"), ("high", "<u8"), ("time", "<i8"), ("reason", "u1")])
_TOO_LARGE = REASONS.index("too_large")


@dataclass(frozen=True, slots=True)
class StateBlocks:
    """What one event of a flush contributes: a raw block (None: not kept) and blocks of state rows, in Native format."""

    raw: bytes | None
    cells: tuple[bytes, ...]


class Kernel:
    """Holds the compiled plan of every event and the engine's scratch tables."""

    def __init__(self, registry: Registry) -> None:
        self._session: Any = session.Session()
        self._plans: dict[str, KernelPlan] = {name: kernel_plan(registry, name) for name in registry.events}
        self._run("CREATE DATABASE IF NOT EXISTS kernel")
        self._run("USE kernel")
        for plan in self._plans.values():
            for table, create in [(plan.stage, plan.create_stage), *((c.table, c.create) for c in plan.cells)]:
                self._run(f"DROP TABLE IF EXISTS {table}")
                self._run(create)

    def decode(self, event: str, offsets: npt.NDArray[np.int64], values: Sequence[bytes | None], now_ms: int) -> Decoded:
        """Decode records into the event's scratch table. ``offsets`` and ``values`` have one length, offsets ascend."""
        plan = self._plans[event]
        raw = pa.array(values, type=pa.large_binary())
        size = pc.fill_null(pc.binary_length(raw), 0)
        huge = np.flatnonzero(size.to_numpy(zero_copy_only=False) > MAX_RECORD_BYTES)
        if len(huge):
            raw = pa.array([None if s > MAX_RECORD_BYTES else v for v, s in zip(values, size.to_pylist(), strict=True)], type=pa.large_binary())
        batch = pa.table({"o": pa.array(offsets), "raw": pc.fill_null(raw, b"")})  # noqa: F841 -- the engine reads it by its name
        self._run(f"TRUNCATE TABLE {plan.stage}")
        self._session.query(plan.decode, "Null", params={"now_ms": now_ms})
        rows = np.frombuffer(self._session.query(plan.judge, "RowBinary").bytes(), dtype=_JUDGE_ROW)
        reason = rows["reason"].copy()
        reason[huge] = _TOO_LARGE
        return Decoded(rows["high"].copy(), rows["low"].copy(), rows["time"].copy(), reason)

    def blocks(self, event: str, partition: int, offsets: npt.NDArray[np.int64], verdict: npt.NDArray[np.uint8],
               reason: npt.NDArray[np.uint8]) -> StateBlocks:
        """Raw and state blocks of the records decoded last for ``event``, given their verdicts."""
        plan = self._plans[event]
        judged = np.flatnonzero((verdict != COUNTED) & (reason == 0))
        verdicts = pa.table({"o": pa.array(offsets[judged]), "verdict": pa.array(verdict[judged])})  # noqa: F841 -- as above
        raw = None
        if plan.event.raw.keep:
            raw = self._session.query(plan.raw_judged if len(judged) else plan.raw, "Native", params={"partition": partition}).bytes()
        cells = []
        if int(np.count_nonzero(verdict == COUNTED)):
            for cell in plan.cells:
                self._run(f"TRUNCATE TABLE {cell.table}")
                self._session.query(cell.fill_judged if len(judged) else cell.fill, "Null")
                cells.append(self._session.query(cell.emit, "Native").bytes())
        return StateBlocks(raw, tuple(cells))

    def close(self) -> None:
        """Give the engine back."""
        self._session.close()

    def _run(self, sql: str) -> None:
        self._session.query(sql, "Null")
