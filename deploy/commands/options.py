"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RegistryDir = Annotated[
    Path | None,
    typer.Option("--registry", metavar="DIR", help="Directory of definitions (default: built in).", show_default=False),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Directory of everything local (default: data).", show_default=False
    ),
]
Bootstrap = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Address of Kafka.", show_default=False),
]
ClickHouseUrl = Annotated[
    str | None,
    typer.Option("--clickhouse-url", metavar="URL", help="Address of ClickHouse over HTTP.", show_default=False),
]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default=False)]
Port = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: a free one.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def everywhere(
    registry: Path | None, bootstrap: str | None, clickhouse_url: str | None, data_dir: Path | None
) -> dict[str, object]:
    """Flags of the commands that look at the whole of a deployment, under the settings they stand for."""
    return {
        "registry.dir": registry,
        "kafka.bootstrap": bootstrap,
        "clickhouse.url": clickhouse_url,
        "data_dir": data_dir,
    }
