"""The ledger: for each lane, which offsets have been counted, in the same table and inserts as the figures themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metric_defs.compile.layout import LEDGER_CUBE
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.native import native_block


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One topic's part of one flush: offsets [first, next) of a partition and what became of their records."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    read: int
    counted: int
    duplicate: int
    too_late: int
    dead: int
    max_event_time: int
    watermark: int
    end_offset: int
    frontier: int
    worker: str
    written_at: int

    def __post_init__(self) -> None:
        if self.counted + self.duplicate + self.too_late + self.dead != self.read:
            raise ValueError(
                f"{self.topic}-{self.partition} [{self.first_offset}, {self.next_offset}): "
                f"{self.counted} counted + {self.duplicate} duplicate + {self.too_late} too late + {self.dead} dead are not {self.read} read"
            )


@dataclass(frozen=True, slots=True)
class LaneState:
    """Where a lane's ledger stands: its last seq (0: none), who wrote it, and the furthest entry of each topic."""

    seq: int
    worker: str
    entries: tuple[LedgerEntry, ...]

    def entry(self, topic: str) -> LedgerEntry | None:
        """The topic's last entry, or None when it was never counted in this lane."""
        return next((e for e in self.entries if e.topic == topic), None)


_FIELDS = tuple(LedgerEntry.__slots__)
_STRINGS = {"topic", "worker"}
_COUNTS = ("read", "counted", "duplicate", "too_late", "dead")
_UNSIGNED = set(_COUNTS)


def _column(field: str) -> str:
    return field if field == "topic" else f"l_{field}"


_SELECT = ", ".join(_column(f) for f in _FIELDS)


def ledger_block(seq: int, entries: Iterable[LedgerEntry]) -> bytes:
    """The ledger rows of one flush as a Native block, to be sent behind the flush's state rows."""
    rows = list(entries)
    n = len(rows)
    columns: list[tuple[str, str, list[int] | list[str]]] = [
        ("cube", "String", [LEDGER_CUBE] * n),
        ("seq", "UInt64", [seq] * n),
    ]
    for field in _FIELDS:
        kind = (
            "String"
            if field in _STRINGS
            else "UInt32"
            if field == "partition"
            else "UInt64"
            if field in _UNSIGNED
            else "Int64"
        )
        columns.append((_column(field), kind, [getattr(r, field) for r in rows]))
    return native_block(columns)


def read_lane(store: ClickHouse, lane: str, partition: int) -> LaneState:
    """Where the lane's ledger stands, and how far each topic's ``partition`` was counted in whatever lane. Raises StoreError.

    A topic's position is looked for in all lanes: when partitions are added, a partition moves to a lane of another name.
    """
    head = store.rows(
        f"SELECT max(seq), argMax(l_worker, seq) FROM panes WHERE lane = {{lane:String}} AND cube = '{LEDGER_CUBE}'",
        {"lane": lane},
    )
    found = store.rows(
        f"SELECT {_SELECT} FROM panes WHERE cube = '{LEDGER_CUBE}' AND l_partition = {{partition:UInt32}} "
        "ORDER BY l_next_offset DESC, seq DESC LIMIT 1 BY topic",
        {"partition": partition},
    )
    seq, worker = head[0] if head else (0, "")
    return LaneState(int(seq), str(worker), tuple(LedgerEntry(*r) for r in found))


def read_flush(store: ClickHouse, lane: str, seq: int) -> tuple[LedgerEntry, ...]:
    """Entries of one flush; empty when it is not there. Asked when the outcome of an insert is unknown."""
    found = store.rows(
        f"SELECT {_SELECT} FROM panes WHERE lane = {{lane:String}} AND cube = '{LEDGER_CUBE}' AND seq = {{seq:UInt64}}",
        {"lane": lane, "seq": seq},
    )
    return tuple(LedgerEntry(*r) for r in found)


def read_last_entries(store: ClickHouse) -> list[tuple[str, int, LedgerEntry]]:
    """(lane, seq, entry) of every topic's last entry in every lane: what status and freshness are made of."""
    found = store.rows(
        f"SELECT toString(lane), seq, {_SELECT} FROM panes WHERE cube = '{LEDGER_CUBE}' ORDER BY seq DESC LIMIT 1 BY lane, topic"
    )
    return [(str(r[0]), int(r[1]), LedgerEntry(*r[2:])) for r in found]


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """Records of one topic in one lane by what became of them, summed over flushes, and where the lane stood after them."""

    lane: str
    seq: int
    last: LedgerEntry
    read: int
    counted: int
    duplicate: int
    too_late: int
    dead: int


def read_since(store: ClickHouse, heads: Mapping[str, int]) -> list[LedgerSums]:
    """What the ledger says beyond ``heads`` (lane -> seq known already), per lane and topic; nothing new: []. Raises StoreError.

    The seq bounds what is read, so asking often costs little however long the ledger is.
    """
    last = ", ".join(f"argMax({_column(f)}, seq)" if f != "topic" else "topic" for f in _FIELDS)
    sums = ", ".join(f"sum({_column(f)})" for f in _COUNTS)
    parameters: dict[str, object] = {"lanes": list(heads)}
    beyond = ["lane NOT IN {lanes:Array(String)}"]
    for i, (lane, seq) in enumerate(heads.items()):
        parameters |= {f"l{i}": lane, f"s{i}": seq}
        beyond.append(f"(lane = {{l{i}:String}} AND seq > {{s{i}:UInt64}})")
    found = store.rows(
        f"SELECT toString(lane), max(seq), {last}, {sums} FROM panes WHERE cube = '{LEDGER_CUBE}' AND ({' OR '.join(beyond)}) GROUP BY lane, topic",
        parameters,
    )
    split = 2 + len(_FIELDS)
    return [LedgerSums(str(r[0]), int(r[1]), LedgerEntry(*r[2:split]), *map(int, r[split:])) for r in found]
