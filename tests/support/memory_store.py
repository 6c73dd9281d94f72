"""The store's tables in the memory of an engine in this process: quick enough for a law of many examples.

It takes what a worker would send and answers the product's own queries. It does not deduplicate, fence or merge; the
real store does, in tests/integration.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from chdb import session

from metric_defs.compile.layout import Column, panes_columns, quoted, raw_columns, raw_table
from metric_defs.registry import Registry
from sinks.clickhouse.ledger import ledger_block
from sinks.clickhouse.writer import Flush


class MemoryStore:
    """Tables of one registry for one lane. ``rows`` and ``raw`` are those of sinks.clickhouse.client.ClickHouse."""

    def __init__(self, registry: Registry, lane: str) -> None:
        self._registry = registry
        self._session: Any = session.Session()
        database = f"store_{uuid.uuid4().hex}"
        tables = {"panes": panes_columns(registry), **{raw_table(e): raw_columns(e) for e in registry.events.values()}}
        self._tables = tuple(tables)
        for statement in (
            f"CREATE DATABASE {database}", f"USE {database}", "SET max_threads = 1",
            *(f"CREATE TABLE {name} ({', '.join(_define(c, lane) for c in tables[name])}) ENGINE = Memory"
              for name in tables),
        ):
            self._session.query(statement, "Null")

    def clear(self) -> None:
        """Empty all tables."""
        for name in self._tables:
            self._session.query(f"TRUNCATE TABLE {name}", "Null")

    def write(self, flush: Flush) -> None:
        """Take over a flush, every block as it would travel."""
        for event, block in flush.raw:
            self._insert(raw_table(self._registry.events[event]), block)
        for block in (*flush.cells, ledger_block(flush.seq, flush.entries)):
            self._insert("panes", block)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Result rows of a query."""
        text = self.raw(sql, "JSONCompactEachRow", parameters).decode()
        return [tuple(json.loads(line)) for line in text.split("\n") if line]

    def raw(self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        """Result of a query as bytes of a format."""
        return self._session.query(sql, fmt, params=dict(parameters or {})).bytes() or b""

    def raw_events(self, event: str) -> list[dict[str, Any]]:
        """All rows of an event's raw table."""
        columns = raw_columns(self._registry.events[event])
        names = ", ".join(quoted(c.name) for c in columns)
        found = self.rows(f"SELECT {names} FROM {raw_table(self._registry.events[event])} ORDER BY k_offset")
        return [dict(zip((c.name for c in columns), row, strict=True)) for row in found]

    def _insert(self, table: str, block: bytes) -> None:
        if block:
            with self._session.send_insert(f"INSERT INTO {table}", "Native") as inserter:
                inserter.append(block)
                inserter.finish()


def _define(column: Column, lane: str) -> str:
    default = f" DEFAULT '{lane}'" if column.name == "lane" else ""
    return f"{quoted(column.name)} {column.type}{default}"
