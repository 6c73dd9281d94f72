"""``metricgrid up``: all processes of one machine in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.options import AsJson, Bootstrap, ClickHouseUrl, DataDir, Host, Port, RegistryDir, everywhere
from deploy.commands.session import effective_of, settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Running")(up)
    app.command(rich_help_panel="Looking")(status)
    app.command(rich_help_panel="Looking")(audit)


def up(
    context: typer.Context,
    registry: RegistryDir = None,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    kafka_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the broker.")] = None,
    store_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the store.")] = None,
) -> None:
    """Run broker, store, worker and api on this machine, with a live status, until Ctrl-C."""
    flags: dict[str, object] = {
        "registry.dir": registry,
        "data_dir": data_dir,
        "api.host": host,
        "api.port": port,
    }
    effective = effective_of(context, flags)
    from deploy.up import run_up

    run_up(effective, workers, kafka_port, store_port)


def status(
    context: typer.Context,
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    clickhouse_url: ClickHouseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Lag, rate and freshness of every topic, from the ledger: works when the api is down."""
    settings = settings_of(context, everywhere(registry, bootstrap, clickhouse_url, data_dir))
    from deploy.status_command import show_status

    show_status(settings, as_json, watch)


def audit(
    context: typer.Context,
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    clickhouse_url: ClickHouseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Prove that nothing was lost or counted twice; exit code 1 if something was."""
    settings = settings_of(context, everywhere(registry, bootstrap, clickhouse_url, data_dir))
    from deploy.audit_command import audited

    if not audited(settings, as_json):
        raise typer.Exit(1)
