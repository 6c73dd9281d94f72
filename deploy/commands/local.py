"""``metricgrid broker`` and ``store``: the embedded parts, each alone and in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.options import DataDir, Port
from deploy.commands.session import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Running")(broker)
    app.command(rich_help_panel="Running")(store)


def broker(
    context: typer.Context,
    data_dir: DataDir = None,
    port: Port = None,
    heap_mb: Annotated[int, typer.Option(min=128, help="Memory of the Java heap.")] = 512,
) -> None:
    """Run the embedded Kafka broker (default port 9092) until SIGTERM or Ctrl-C."""
    settings = settings_of(context, {"data_dir": data_dir})
    from deploy.local.broker import BrokerOptions
    from deploy.local.broker_main import run_in_foreground

    raise typer.Exit(run_in_foreground(BrokerOptions(settings.data_dir, 9092 if port is None else port, heap_mb)))


def store(context: typer.Context, data_dir: DataDir = None, port: Port = None) -> None:
    """Run the embedded ClickHouse store (default port 8123) until SIGTERM or Ctrl-C."""
    settings = settings_of(context, {"data_dir": data_dir})
    from deploy.local.machine import STORE_DIR
    from deploy.local.store import serve_store

    def ready(actual: int) -> None:
        typer.echo(f"store ready on 127.0.0.1:{actual}")

    raise typer.Exit(serve_store(settings.data_dir / STORE_DIR, 8123 if port is None else port, ready))
