"""``metricgrid demo``: the whole thing on real orders."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.options import DataDir, Port, RegistryDir
from deploy.commands.session import effective_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Running")(demo)


def demo(
    context: typer.Context,
    exit_: Annotated[
        bool, typer.Option("--exit", help="Replay, count, print, audit, stop; exit code 0 only if all is right.")
    ] = False,
    events: Annotated[
        int | None, typer.Option(min=1, help="The latest so many order lines (default: 100,000; all: 1469307).")
    ] = None,
    registry: RegistryDir = None,
    data_dir: DataDir = None,
    port: Port = None,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 1,
    kill_worker: Annotated[bool, typer.Option("--kill-worker", help="With --exit: kill a worker.")] = False,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Simulated events a second (no --exit).")] = 200,
) -> None:
    """Start everything, replay real orders, and show live figures until Ctrl-C; or, with --exit, prove them and stop."""
    if kill_worker and not exit_:
        raise typer.BadParameter("goes with --exit", param_hint="--kill-worker")
    flags: dict[str, object] = {"registry.dir": registry, "data_dir": data_dir, "api.port": port}
    effective = effective_of(context, flags)
    from deploy.demo import DemoOptions, run_demo

    options = DemoOptions(events or 100_000, workers, kill_worker, rate)
    run_demo(effective, options, once=exit_)
