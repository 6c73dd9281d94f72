"""``metricgrid migrate``: the store's tables."""

from __future__ import annotations

import typer

from deploy.commands.options import ClickHouseUrl, RegistryDir
from deploy.commands.session import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Preparing")(migrate)


def migrate(context: typer.Context, registry: RegistryDir = None, clickhouse_url: ClickHouseUrl = None) -> None:
    """Bring the store's tables up to the registry; any number of times, with workers running."""
    settings = settings_of(context, {"registry.dir": registry, "clickhouse.url": clickhouse_url})
    from deploy.wiring import registry_of, store_of
    from sinks.clickhouse.client import ClickHouse
    from sinks.clickhouse.migrate import migrate as bring_up

    definitions = registry_of(settings)
    store = ClickHouse(store_of(settings))
    try:
        changes = bring_up(store, definitions)
    finally:
        store.close()
    for statement in changes:
        typer.echo(statement.partition("(")[0].strip() if statement.startswith("CREATE") else statement)
    typer.echo(f"{len(changes)} changes" if changes else "nothing to change: the tables fit the registry", err=True)
