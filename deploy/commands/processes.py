"""``metricgrid worker`` and ``serve``: the processes that are started as many as needed."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.options import Bootstrap, ClickHouseUrl, DataDir, Host, Port, RegistryDir, everywhere
from deploy.commands.session import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Running")(worker)
    app.command(rich_help_panel="Running")(serve)


def worker(
    context: typer.Context,
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    clickhouse_url: ClickHouseUrl = None,
    data_dir: DataDir = None,
    group: Annotated[str | None, typer.Option(help="Consumer group; workers of one group share the work.")] = None,
    instance_id: Annotated[str | None, typer.Option(help="Name of this member, kept over restarts.")] = None,
) -> None:
    """Count events from Kafka into the store, until SIGTERM or Ctrl-C."""
    flags = everywhere(registry, bootstrap, clickhouse_url, data_dir) | {
        "worker.group": group,
        "worker.instance_id": instance_id,
    }
    from deploy.processes import work

    work(settings_of(context, flags), lambda: typer.echo("worker ready"))


def serve(
    context: typer.Context,
    registry: RegistryDir = None,
    clickhouse_url: ClickHouseUrl = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve figures and the live page over HTTP, until SIGTERM or Ctrl-C."""
    flags: dict[str, object] = {
        "registry.dir": registry,
        "clickhouse.url": clickhouse_url,
        "api.host": host,
        "api.port": port,
    }
    from deploy.processes import answer

    raise typer.Exit(answer(settings_of(context, flags), lambda address: typer.echo(f"api ready on {address}")))
