"""Bring a store's tables up to a registry; any number of times, with workers running."""

from __future__ import annotations

from collections import defaultdict

from metric_defs.compile.ddl import alter_statements, create_statements
from metric_defs.registry import Registry
from sinks.clickhouse.client import ClickHouse


def migrate(store: ClickHouse, registry: Registry) -> tuple[str, ...]:
    """Create what is missing and add what is new. Returns the statements that changed something.

    Also notes each measure's tag and formula in ``measures``, so that the store can be read without this program. Raises StoreError.
    """
    store.create_database()
    before = _columns(store)
    alters = alter_statements(registry, before, _panes_sorting_key(store))
    creates = [s for s in create_statements(registry) if s.split("EXISTS ", 1)[1].split(" ", 1)[0] not in before]
    for statement in (*creates, *alters):
        store.execute(statement)
    known = {str(row[0]) for row in store.rows("SELECT fingerprint FROM measures")}
    fresh = [m for m in registry.measures.values() if m.fingerprint not in known]
    if fresh:
        store.insert_rows(
            "measures",
            ("tag", "measure", "event", "formula", "fingerprint"),
            [(m.tag, m.measure.measure, m.measure.event, m.formula, m.fingerprint) for m in fresh],
        )
    return (*creates, *alters)


def _columns(store: ClickHouse) -> dict[str, dict[str, str]]:
    tables: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for table, column, comment in store.rows(
        "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()"
    ):
        tables[str(table)][str(column)] = str(comment)
    return dict(tables)


def _panes_sorting_key(store: ClickHouse) -> str:
    found = store.rows("SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 'panes'")
    return str(found[0][0]) if found else ""
