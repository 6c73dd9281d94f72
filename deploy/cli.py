"""The command ``metricgrid``: finds the command and runs it. What a command needs is imported when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands import config, demo, doctor, feed, local, processes, registry, store, topics, up
from deploy.commands.session import Session, hoisted

app = typer.Typer(
    name="metricgrid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Live e-commerce metrics from Kafka: one registry of definitions, exact figures, each with its age.",
    epilog="--config, --set and --debug may stand anywhere. Exit codes: 0 ok, 1 failure, 2 usage, 78 configuration, "
    "130 interrupted.",
)
for family in (demo, up, processes, local, store, topics, registry, feed, doctor, config):
    family.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from deploy.version import product_version

        typer.echo(f"metricgrid {product_version()}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings file (YAML or TOML).", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting by its dotted key, e.g. worker.group=blue."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)] = (
        False
    ),
) -> None:
    context.obj = Session(config, tuple(settings or ()), debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; errors become a few lines on standard error."""
    given = hoisted(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, prog_name="metricgrid")
    except Exception as error:
        from deploy.commands.failure import explained

        if "--debug" in given:
            raise
        text, code = explained(error)
        typer.echo(text, err=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
