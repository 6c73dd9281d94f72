"""The tables, as statements that may be run any number of times."""

from __future__ import annotations

from collections.abc import Mapping

from metric_defs.compile.layout import (
    KEY_COLUMNS,
    Column,
    dimension_columns,
    panes_columns,
    quoted,
    raw_columns,
    raw_table,
)
from metric_defs.models import Event
from metric_defs.registry import Registry

DEDUPLICATION_WINDOW = 10_000
"""Insert tokens remembered per table: more than all lanes together write while one insert is in doubt."""


def create_statements(registry: Registry) -> tuple[str, ...]:
    """CREATE … IF NOT EXISTS for all tables of a registry (in the connection's database)."""
    panes = (
        f"CREATE TABLE IF NOT EXISTS panes ({_define(panes_columns(registry))}) ENGINE = AggregatingMergeTree PARTITION BY lane "
        f"PRIMARY KEY (`cube`, `grain`, `seq`, `pane`) ORDER BY ({sorting_key(registry)}) "
        f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
    )
    dead = (
        "CREATE TABLE IF NOT EXISTS dead_letters (topic LowCardinality(String), partition UInt32, offset Int64, event LowCardinality(String), "
        "reason LowCardinality(String), size_bytes UInt64, value String, dead_at DateTime64(3, 'UTC')) "
        "ENGINE = ReplacingMergeTree ORDER BY (topic, partition, offset)"
    )
    measures = (
        "CREATE TABLE IF NOT EXISTS measures (tag UInt32, measure String, event String, formula String, "
        "fingerprint String, seen_at DateTime DEFAULT now()) "
        "ENGINE = ReplacingMergeTree ORDER BY (tag, fingerprint)"
    )
    return (panes, dead, measures, *(_raw(e) for e in registry.events.values() if e.raw.keep))


def alter_statements(
    registry: Registry, existing: Mapping[str, Mapping[str, str]], panes_sorting_key: str
) -> tuple[str, ...]:
    """ALTERs that bring existing tables up to the registry. ``existing``: table -> column -> comment.

    Only additions are made. A changed measure needs none: its tag changes with its meaning, so old and new never mix.
    """
    statements: list[str] = []
    have = existing.get("panes", {})
    keys = [k.strip() for k in panes_sorting_key.split(",") if k.strip()]
    new_dimensions = [c for c in dimension_columns(registry) if c.name not in have]
    adds = [f"ADD COLUMN IF NOT EXISTS {_column(c)}" for c in panes_columns(registry) if c.name not in have]
    if have and new_dimensions:
        adds.append(f"MODIFY ORDER BY ({', '.join([*keys, *(quoted(c.name) for c in new_dimensions)])})")
    if have and adds:
        statements.append(f"ALTER TABLE panes {', '.join(adds)}")
    for event in registry.events.values():
        stored = existing.get(raw_table(event), {})
        fresh = [c for c in raw_columns(event) if c.name not in stored]
        if event.raw.keep and stored and fresh:
            statements.append(
                f"ALTER TABLE {raw_table(event)} " + ", ".join(f"ADD COLUMN IF NOT EXISTS {_column(c)}" for c in fresh)
            )
    return tuple(statements)


def sorting_key(registry: Registry) -> str:
    """Sorting key of a new panes table; dimensions stand last, so that later ones can be appended."""
    names = [c.name for c in KEY_COLUMNS if c.name != "lane"] + [c.name for c in dimension_columns(registry)]
    return ", ".join(quoted(n) for n in names)


def _raw(event: Event) -> str:
    ttl = f" TTL k_written_at + INTERVAL {event.raw.retention // 1000} SECOND" if event.raw.retention else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {raw_table(event)} ({_define(raw_columns(event))}, k_written_at DateTime DEFAULT now()) "
        f"ENGINE = ReplacingMergeTree ORDER BY (k_partition, k_offset){ttl}"
    )


def _define(columns: tuple[Column, ...]) -> str:
    return ", ".join(_column(c) for c in columns)


def _column(column: Column) -> str:
    comment = column.comment.replace("\\", "\\\\").replace("'", "\\'")
    return f"{quoted(column.name)} {column.type}" + (f" COMMENT '{comment}'" if comment else "")
