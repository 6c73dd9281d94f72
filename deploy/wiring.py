"""From settings to what the processes take: registry and connections."""

from __future__ import annotations

from pathlib import Path

from deploy.settings import Settings
from metric_defs import Registry, load_registry
from sinks.clickhouse.client import StoreConnection


def registry_of(settings: Settings) -> Registry:
    """The definitions. Raises RegistryError with every fault."""
    return load_registry(settings.registry.dir)


def store_of(settings: Settings) -> StoreConnection:
    """How to reach the store."""
    clickhouse = settings.clickhouse
    return StoreConnection(
        url=clickhouse.url,
        database=clickhouse.database,
        username=clickhouse.username,
        password=clickhouse.password.get_secret_value(),
        ca_file=_text(clickhouse.ca_file),
    )


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
