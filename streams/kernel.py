"""The kernel on chDB: raw JSON in, verdict facts, raw rows and state rows out, all as bytes of the engine's own formats.

One kernel belongs to one thread at a time; the GIL is released while the engine works.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from chdb import session

from metric_defs.compile.kernel import MAX_RECORD_BYTES, REASONS, KernelPlan, kernel_plan
from metric_defs.registry import Registry
from streams.verdict import COUNTED, DEAD, Decoded

_JUDGE_ROW = np.dtype([("offset", "<i8"), ("low", "<u8"), ("high", "<u8"), ("time", "<i8"), ("reason", "u1")])
_TOO_LARGE = REASONS.index("too_large")


@dataclass(frozen=True, slots=True)
class StateBlocks:
    """What one event of a flush contributes: a raw block (None: not kept) and blocks of state rows, in Native format."""

    raw: bytes | None
    cells: tuple[bytes, ...]


class Kernel:
    """Holds the compiled plan of every event and the engine's scratch tables.

    After an error of the engine its connection is dropped and the tables are made anew, because it puts the rows of a
    failed answer in front of the connection's next one; what was decoded before is gone.
    """

    def __init__(self, registry: Registry) -> None:
        self._plans: dict[str, KernelPlan] = {name: kernel_plan(registry, name) for name in registry.events}
        self._database = f"kernel_{uuid.uuid4().hex}"  # kernels of one process share the engine's memory
        self._session: Any = self._open()

    def warm_up(self) -> None:
        """Run every event's decoding once, so that the engine's first-use costs (a second or so) fall before records wait."""
        for event in self._plans:
            nothing = np.zeros(1, np.int64)
            decoded = self.decode(event, nothing, [b""], 0)
            self.blocks(event, 0, nothing, np.full(1, DEAD, np.uint8), decoded.reason)

    def decode(
        self, event: str, offsets: npt.NDArray[np.int64], values: Sequence[bytes | None], now_ms: int
    ) -> Decoded:
        """Decode records into the event's scratch table. ``offsets`` and ``values`` have one length, offsets ascend."""
        plan = self._plans[event]
        raw = pa.array(values, type=pa.large_binary())
        size = pc.fill_null(pc.binary_length(raw), 0)
        huge = np.flatnonzero(size.to_numpy(zero_copy_only=False) > MAX_RECORD_BYTES)
        if len(huge):
            raw = pa.array(
                [None if s > MAX_RECORD_BYTES else v for v, s in zip(values, size.to_pylist(), strict=True)],
                type=pa.large_binary(),
            )
        batch = pa.table({"k_offset": pa.array(offsets), "k_raw": pc.fill_null(raw, b"")})  # noqa: F841 -- the engine reads it by its name
        self._query(f"TRUNCATE TABLE {plan.stage}", "Null")
        self._query(plan.decode, "Null", params={"now_ms": now_ms})
        rows = np.frombuffer(self._query(plan.judge, "RowBinary").bytes(), dtype=_JUDGE_ROW)
        if not np.array_equal(rows["offset"], offsets):  # the engine promises no order; verdicts depend on it
            rows = rows[np.argsort(rows["offset"], kind="stable")]
            if not np.array_equal(rows["offset"], offsets):
                raise RuntimeError(f"the engine decoded {len(rows)} of {len(offsets)} records of '{event}'")
        reason = rows["reason"].copy()
        reason[huge] = _TOO_LARGE
        return Decoded(rows["high"].copy(), rows["low"].copy(), rows["time"].copy(), reason)

    def blocks(
        self,
        event: str,
        partition: int,
        offsets: npt.NDArray[np.int64],
        verdict: npt.NDArray[np.uint8],
        reason: npt.NDArray[np.uint8],
    ) -> StateBlocks:
        """Raw and state blocks of the records decoded last for ``event``, given their verdicts."""
        plan = self._plans[event]
        judged = np.flatnonzero((verdict != COUNTED) & (reason == 0))
        verdicts = pa.table({"k_offset": pa.array(offsets[judged]), "k_judged": pa.array(verdict[judged])})  # noqa: F841 -- as above
        raw = None
        if plan.event.raw.keep:
            raw = self._query(
                plan.raw_judged if len(judged) else plan.raw, "Native", params={"partition": partition}
            ).bytes()
        cells = []
        if int(np.count_nonzero(verdict == COUNTED)):
            for cell in plan.cells:
                self._query(f"TRUNCATE TABLE {cell.table}", "Null")
                self._query(cell.fill_judged if len(judged) else cell.fill, "Null")
                cells.append(self._query(cell.emit, "Native").bytes())
        return StateBlocks(raw, tuple(cells))

    def close(self) -> None:
        """Give the engine's memory back."""
        if self._session is not None:
            self._session.query(f"DROP DATABASE IF EXISTS {self._database} SYNC", "Null")
            self._session.close()
            self._session = None

    def _open(self) -> Any:
        opened = session.Session()
        tables = [
            create for plan in self._plans.values() for create in (plan.create_stage, *(c.create for c in plan.cells))
        ]
        for statement in (
            f"DROP DATABASE IF EXISTS {self._database} SYNC",
            f"CREATE DATABASE {self._database}",
            f"USE {self._database}",
            "SET max_threads = 1",  # one thread keeps the records in order; more workers, not more threads, use more cores
            *tables,
        ):
            opened.query(statement, "Null")
        return opened

    def _query(self, sql: str, fmt: str, params: Mapping[str, Any] | None = None) -> Any:
        if self._session is None:
            self._session = self._open()
        try:
            return self._session.query(sql, fmt, params=params)
        except Exception:
            failed, self._session = self._session, None
            failed.close()
            raise
