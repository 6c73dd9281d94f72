"""``metricgrid config``: what the settings are and where each came from."""

from __future__ import annotations

import typer

from deploy.commands.options import AsJson
from deploy.commands.session import effective_of

HIDDEN = "********"
commands = typer.Typer(no_args_is_help=True, help="The settings.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="config", rich_help_panel="Looking")


@commands.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Every setting, its value and where it came from; secrets are hidden."""
    import json

    from pydantic import SecretStr

    from deploy.settings import flat

    effective = effective_of(context)
    rows = {
        key: ((HIDDEN if value.get_secret_value() else "") if isinstance(value, SecretStr) else value)
        for key, value in flat(effective.settings).items()
    }
    if as_json:
        stated = {
            key: {
                "value": value if value is None or isinstance(value, (int, float)) else str(value),
                "from": effective.origin(key),
            }
            for key, value in rows.items()
        }
        typer.echo(json.dumps(stated, indent=2))
        return
    width = max(map(len, rows))
    for key, value in rows.items():
        shown = "-" if value is None or value == "" else str(value)
        typer.echo(f"{key:<{width}}  {shown:<32}  {effective.origin(key)}")
