"""Columns of the tables: the wide panes table with the ledger in it, the raw tables, the dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.compile.aggregates import KINDS, STATE_TYPES
from metric_defs.expressions import COLUMN_TYPES
from metric_defs.models import Event
from metric_defs.registry import Registry

LEDGER_CUBE = "__ledger"
"""Value of ``cube`` in rows that state which offsets have been counted."""
VERDICTS = ("counted", "duplicate", "too_late", "dead")
"""What becomes of a record; the index is the code stored in ``k_verdict``."""


def quoted(name: str) -> str:
    """A column name as SQL: quoted, because it may be a word of SQL (names hold a-z, 0-9 and _ only)."""
    return f"`{name}`"


def literal(value: object) -> str:
    """A value as a string literal of SQL."""
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its stored type and, in the input of an insert, its plain type."""

    name: str
    type: str
    comment: str = ""

    @property
    def input_type(self) -> str:
        """Type in an insert block: plain for simple aggregates and dictionaries, the state itself for others."""
        if self.type.startswith("SimpleAggregateFunction("):
            return self.type[:-1].split(", ", 1)[1]
        return (
            self.type.removeprefix("LowCardinality(").removesuffix(")")
            if self.type.startswith("LowCardinality(")
            else self.type
        )


KEY_COLUMNS = (
    Column("lane", "LowCardinality(String)"),
    Column("cube", "LowCardinality(String)"),
    Column("grain", "LowCardinality(String)"),
    Column("seq", "UInt64"),
    Column("pane", "DateTime('UTC')"),
    Column("topic", "LowCardinality(String)"),
)
LEDGER_COLUMNS = (
    Column("l_partition", "SimpleAggregateFunction(max, UInt32)"),
    Column("l_first_offset", "SimpleAggregateFunction(max, Int64)", "first offset of the range, inclusive"),
    Column("l_next_offset", "SimpleAggregateFunction(max, Int64)", "end of the range, exclusive"),
    *(Column(f"l_{verdict}", "SimpleAggregateFunction(max, UInt64)") for verdict in ("read", *VERDICTS)),
    Column("l_max_event_time", "SimpleAggregateFunction(max, Int64)", "epoch ms, greatest so far in the partition"),
    Column("l_watermark", "SimpleAggregateFunction(max, Int64)", "epoch ms"),
    Column("l_end_offset", "SimpleAggregateFunction(max, Int64)", "end of the log when the range was fetched"),
    Column("l_frontier", "SimpleAggregateFunction(max, Int64)", "epoch ms up to which the partition is complete"),
    Column("l_worker", "SimpleAggregateFunction(max, String)"),
    Column("l_written_at", "SimpleAggregateFunction(max, Int64)", "epoch ms on the worker's clock"),
)


def dimension_columns(registry: Registry) -> tuple[Column, ...]:
    """One string column per dimension; '' where a cube lacks the dimension or an event left it out."""
    return tuple(Column(d, "String") for d in registry.dimensions)


STATE_COLUMNS = tuple(Column(kind, STATE_TYPES[kind]) for kind in KINDS)


def panes_columns(registry: Registry) -> tuple[Column, ...]:
    """All columns of the panes table."""
    return (*KEY_COLUMNS, *dimension_columns(registry), *STATE_COLUMNS, *LEDGER_COLUMNS)


def raw_table(event: Event) -> str:
    """Name of an event's raw table."""
    return f"events_{event.event}"


def raw_columns(event: Event) -> tuple[Column, ...]:
    """Kafka position, verdict, and the declared fields of an event."""
    return (
        Column("k_partition", "UInt32"),
        Column("k_offset", "Int64"),
        Column("k_verdict", "UInt8"),
        *(Column(name, COLUMN_TYPES[field.type]) for name, field in event.fields.items()),
    )
