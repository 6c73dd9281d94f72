"""``metricgrid topics``: the registry's topics in Kafka."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.options import Bootstrap, RegistryDir
from deploy.commands.session import settings_of

commands = typer.Typer(no_args_is_help=True, help="The registry's topics in Kafka.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(commands, name="topics", rich_help_panel="Preparing")


@commands.callback()
def _family() -> None:
    """The registry's topics in Kafka."""


@commands.command()
def create(
    context: typer.Context,
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of each new topic.")] = None,
    replication: Annotated[int | None, typer.Option(min=-1, help="Copies; -1: the cluster's default.")] = None,
) -> None:
    """Create the topics that do not exist yet."""
    flags: dict[str, object] = {
        "registry.dir": registry,
        "kafka.bootstrap": bootstrap,
        "topics.partitions": partitions,
        "topics.replication": replication,
    }
    settings = settings_of(context, flags)
    from deploy.topics import ensure_topics
    from deploy.wiring import registry_of

    wanted = {event.topic: settings.topics.partitions for event in registry_of(settings).events.values()}
    created = ensure_topics(
        settings.kafka.connection(), wanted, replication_factor=settings.topics.replication, timeout_s=15
    )
    for topic in created:
        typer.echo(topic)
    typer.echo(f"{len(created)} topics created, {len(wanted) - len(created)} were there", err=True)
