"""``metricgrid registry``: check, show and compile the definitions."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.options import AsJson, RegistryDir
from deploy.commands.session import settings_of

commands = typer.Typer(no_args_is_help=True, help="The definitions: check, show, compile.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="registry", rich_help_panel="Looking")


@commands.command()
def check(context: typer.Context, registry: RegistryDir = None, as_json: AsJson = False) -> None:
    """Say everything that is wrong with the definitions; exit code 78 if anything is."""
    settings = settings_of(context, {"registry.dir": registry})
    import json
    from dataclasses import asdict

    from deploy.errors import CONFIGURATION
    from deploy.wiring import registry_of
    from metric_defs import RegistryError

    try:
        found = registry_of(settings)
    except RegistryError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"ok": False, "faults": [asdict(fault) for fault in error.faults]}, indent=2))
        raise typer.Exit(CONFIGURATION) from None
    counts = {
        "events": len(found.events),
        "measures": len(found.measures),
        "metrics": len(found.metrics),
        "cubes": len(found.cubes),
    }
    if as_json:
        typer.echo(json.dumps({"ok": True, "faults": [], "fingerprint": found.fingerprint, **counts}, indent=2))
    else:
        typer.echo(f"ok: {', '.join(f'{n} {what}' for what, n in counts.items())}, fingerprint {found.fingerprint}")


@commands.command()
def show(
    context: typer.Context,
    code: Annotated[str | None, typer.Argument(help="A metric (default: a list of all).", show_default=False)] = None,
    registry: RegistryDir = None,
    as_json: AsJson = False,
) -> None:
    """The metrics, or everything about one."""
    settings = settings_of(context, {"registry.dir": registry})
    import json

    from deploy.registry_text import card, listing
    from deploy.wiring import registry_of

    found = registry_of(settings)
    if code is None:
        rows = listing(found)
        if as_json:
            typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        else:
            width = max((len(row["metric"]) for row in rows), default=0)
            for row in rows:
                typer.echo(f"{row['metric']:<{width}}  {row['type']:<6}  {row['unit']:<8}  {row['zh']} · {row['en']}")
        return
    facts = card(found, code)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            typer.echo(f"{name:<{width}}  {'-' if shown in ('', None) else shown}")


@commands.command(name="compile")
def compile_(
    context: typer.Context,
    registry: RegistryDir = None,
    explain: Annotated[bool, typer.Option("--explain", help="The plan in words instead of the SQL.")] = False,
    as_json: AsJson = False,
) -> None:
    """The SQL that the definitions become: tables, kernel; or with --explain what each event costs."""
    settings = settings_of(context, {"registry.dir": registry})
    import json

    from deploy.registry_text import compiled, explained
    from deploy.wiring import registry_of

    found = registry_of(settings)
    if explain:
        plan = explained(found)
        typer.echo(json.dumps(plan, indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(plan)))
        return
    parts = compiled(found)
    if as_json:
        typer.echo(json.dumps(parts, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n\n".join(f"-- {title}\n{sql};" for title, sql in parts.items()))


def _lines(plan: dict[str, dict[str, object]]) -> list[str]:
    lines = []
    for event, facts in plan.items():
        lines.append(event)
        for name, value in facts.items():
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            lines.append(f"  {name:<9} {shown or '-'}")
    return lines
