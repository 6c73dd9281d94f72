"""``metricgrid doctor``: is everything there that is needed."""

from __future__ import annotations

import typer

from deploy.commands.options import AsJson, Bootstrap, ClickHouseUrl, DataDir, RegistryDir, everywhere
from deploy.commands.session import effective_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Looking")(doctor)


def doctor(
    context: typer.Context,
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    clickhouse_url: ClickHouseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say what is missing or unreachable and what to do; exit code 1 if something fails."""
    effective = effective_of(context, everywhere(registry, bootstrap, clickhouse_url, data_dir))
    import json
    from dataclasses import asdict

    from deploy.doctor import examine

    findings = []
    for finding in examine(effective):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{finding.state:<4}  {finding.what}: {finding.text}")
            if finding.hint:
                typer.echo(f"      -> {finding.hint}")
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)
