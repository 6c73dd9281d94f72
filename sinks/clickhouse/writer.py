"""Appending a lane's flush exactly once: raw events and dead letters first, then figures and ledger in one insert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from metric_defs.compile.append import append_settings, append_statement
from metric_defs.compile.layout import raw_columns, raw_table
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.ledger import LedgerEntry, ledger_block, read_flush
from sinks.errors import Fenced
from sinks.fault_points import reach

MAX_LETTER_BYTES = 1_048_576
"""Of a longer dead record the head is kept, with the true size beside it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that will not be processed, with its reason and original bytes."""

    topic: str
    partition: int
    offset: int
    event: str
    reason: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Flush:
    """Everything one lane sends at once. ``raw``: event name -> Native block; ``cells``: Native blocks of state rows.

    ``after_worker`` wrote the lane's flush ``seq - 1`` ('' when this is the first).
    """

    lane: str
    seq: int
    after_worker: str
    entries: tuple[LedgerEntry, ...]
    raw: tuple[tuple[str, bytes], ...] = ()
    cells: tuple[bytes, ...] = ()
    dead: tuple[DeadLetter, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes to be sent."""
        return sum(len(b) for _, b in self.raw) + sum(map(len, self.cells))


class FlushWriter:
    """Writes flushes of one registry to one store."""

    def __init__(self, store: ClickHouse, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._raw_insert = {
            name: f"INSERT INTO {raw_table(e)} ({', '.join(f'`{c.name}`' for c in raw_columns(e))}) FORMAT Native"
            for name, e in registry.events.items()
        }

    def write(self, flush: Flush, dead_at_ms: int) -> None:
        """Write once. Raises Fenced, StoreUnavailable (outcome unknown: ask ``applied``) or StoreRejected.

        Raw events and dead letters go first and may be written again without effect (they are keyed by offset), so that
        what is counted is always also kept.
        """
        reach("before_raw")
        for event, block in flush.raw:
            self._store.insert(self._raw_insert[event], block)
        if flush.dead:
            self._write_dead(flush.dead, dead_at_ms)
        body = b"".join([*flush.cells, ledger_block(flush.seq, flush.entries)])
        reach("before_figures")
        reach("during_figures", after_s=0.004)
        self._store.insert(
            append_statement(self._registry, flush.lane, flush.seq - 1, flush.after_worker),
            body,
            append_settings(flush.lane, flush.seq),
        )
        reach("after_figures")

    def applied(self, flush: Flush) -> bool:
        """Whether this very flush is in the ledger. Raises Fenced when another worker's stands in its place."""
        found = read_flush(self._store, flush.lane, flush.seq)
        if not found:
            return False
        if {(e.topic, e.first_offset, e.next_offset, e.worker) for e in found} == {
            (e.topic, e.first_offset, e.next_offset, e.worker) for e in flush.entries
        }:
            return True
        raise Fenced(f"flush {flush.seq} of lane {flush.lane} was written by worker {found[0].worker}")

    def _write_dead(self, letters: Iterable[DeadLetter], dead_at_ms: int) -> None:
        at = datetime.fromtimestamp(dead_at_ms / 1000, UTC)
        rows: Sequence[Sequence[object]] = [
            (
                d.topic,
                d.partition,
                d.offset,
                d.event,
                d.reason,
                len(d.value or b""),
                (d.value or b"")[:MAX_LETTER_BYTES],
                at,
            )
            for d in letters
        ]
        self._store.insert_rows(
            "dead_letters", ("topic", "partition", "offset", "event", "reason", "size_bytes", "value", "dead_at"), rows
        )
