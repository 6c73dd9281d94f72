"""Bring a store's tables up to a registry; any number of times, with workers running."""

from __future__ import annotations

from collections import defaultdict

from metric_defs.compile.ddl import alter_statements, create_statements
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse


def migrate(store: ClickHouse, registry: Registry) -> tuple[str, ...]:
    """Create what is missing and add what is new. Returns the statements that changed something.

    Raises MeaningChanged when a stored measure has another meaning in the registry, and StoreError.
    """
    store.create_database()
    before = _columns(store)
    alters = alter_statements(registry, before, _panes_sorting_key(store))
    creates = [s for s in create_statements(registry) if s.split("EXISTS ", 1)[1].split(" ", 1)[0] not in before]
    for statement in (*creates, *alters):
        store.execute(statement)
    return (*creates, *alters)


def _columns(store: ClickHouse) -> dict[str, dict[str, str]]:
    tables: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for table, column, comment in store.rows("SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()"):
        tables[str(table)][str(column)] = str(comment)
    return dict(tables)


def _panes_sorting_key(store: ClickHouse) -> str:
    found = store.rows("SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 'panes'")
    return str(found[0][0]) if found else ""
