"""What the ledger adds up to: per topic, what became of all records read so far."""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.compile.layout import LEDGER_CUBE
from sinks.clickhouse.client import ClickHouse


@dataclass(frozen=True, slots=True)
class TopicTotals:
    """``counted + duplicate + too_late + dead = read``; ``recent``: read in flushes since the moment asked for.

    ``first_written_at``, ``last_written_at``: epoch ms of the first and last flush that had records; ``first_read``:
    what the first of them read. All 0 when there is none.
    """

    read: int
    counted: int
    duplicate: int
    too_late: int
    dead: int
    recent: int
    first_written_at: int
    last_written_at: int
    first_read: int


def read_totals(store: ClickHouse, since_ms: int) -> dict[str, TopicTotals]:
    """Topic -> its totals over all lanes. Raises StoreError."""
    found = store.rows(
        "SELECT topic, sum(l_read), sum(l_counted), sum(l_duplicate), sum(l_too_late), sum(l_dead), "
        "sumIf(l_read, l_written_at >= {since:Int64}), minIf(l_written_at, l_read > 0), "
        "maxIf(l_written_at, l_read > 0), "
        f"argMinIf(l_read, l_written_at, l_read > 0) FROM panes WHERE cube = '{LEDGER_CUBE}' GROUP BY topic",
        {"since": since_ms},
    )
    return {str(topic): TopicTotals(*map(int, values)) for topic, *values in found}
