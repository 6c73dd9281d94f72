"""``metricgrid replay`` and ``simulate``: events into Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.commands.options import Bootstrap, DataDir, RegistryDir
from deploy.commands.session import settings_of

Rate = Annotated[float | None, typer.Option(help="Records a second.", show_default=False)]
Speed = Annotated[float | None, typer.Option(help="Times event time: 1 as it happened.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Feeding")(replay)
    app.command(rich_help_panel="Feeding")(simulate)


def replay(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="'completejourney', or a file: .csv, .jsonl, .ndjson or .parquet.")],
    event: Annotated[str | None, typer.Option(help="Event of the registry that a row becomes.")] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="MAP.yaml", help="Field of the event -> column or SQL.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="At most so many (completejourney: the latest).")] = None,
    shift: Annotated[Literal["now"] | None, typer.Option(help="Move all times so that the last is now.")] = None,
    rate: Rate = None,
    speed: Speed = None,
    reject_dir: Annotated[Path, typer.Option(help="Where rows that cannot be used are kept.")] = Path(),
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Send real orders, or rows of a file of your own, as events."""
    pacing = (rate, speed)
    _check_pacing(pacing)
    settings = settings_of(context, {"registry.dir": registry, "kafka.bootstrap": bootstrap, "data_dir": data_dir})
    from deploy.feed.commands import run_replay
    from deploy.feed.pacing import Pacing
    from deploy.feed.progress import progress
    from deploy.feed_text import replay_lines
    from deploy.wiring import registry_of
    from streams.clock import system_clock

    definitions = registry_of(settings)
    with progress(f"replay {Path(source).name}") as report:
        done = run_replay(
            source,
            definitions,
            settings.kafka.connection(),
            now_ms=system_clock(),
            event=event,
            map_path=map_file,
            reject_dir=reject_dir,
            events=events,
            shift=shift,
            pacing=Pacing(*pacing),
            report=report,
        )
    for line in replay_lines(done):
        typer.echo(line, err=True)
    if done.send.failed:
        raise typer.Exit(1)


def simulate(
    context: typer.Context,
    events: Annotated[int, typer.Option(min=1, help="Good events.")] = 100_000,
    minutes: Annotated[float, typer.Option(min=0.01, help="Event time they are spread over, ending now.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed and start give the same events.")] = 1,
    start_ms: Annotated[int | None, typer.Option(help="Epoch ms of the start (default: so that it ends now).")] = None,
    shops: Annotated[int, typer.Option(min=1)] = 50,
    users: Annotated[int, typer.Option(min=1)] = 20_000,
    disorder: Annotated[float, typer.Option(min=0, max=1, help="Share that arrives late, but in time.")] = 0.1,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share that is sent twice.")] = 0.01,
    bad: Annotated[float, typer.Option(min=0, max=1, help="Share of records that are no events.")] = 0.005,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that arrives too late.")] = 0.002,
    rate: Rate = None,
    speed: Speed = None,
    truth: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the true totals there, as JSON.")] = None,
    registry: RegistryDir = None,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Send made-up but coherent journeys (live rooms, views, carts, orders, refunds) with stated faults."""
    pacing = (rate, speed)
    _check_pacing(pacing)
    settings = settings_of(context, {"registry.dir": registry, "kafka.bootstrap": bootstrap, "data_dir": data_dir})
    from deploy.feed.commands import run_simulate
    from deploy.feed.pacing import Pacing
    from deploy.feed.progress import progress
    from deploy.feed.simulate import SimulationOptions
    from deploy.feed_text import sent_line
    from deploy.wiring import registry_of
    from streams.clock import system_clock

    definitions = registry_of(settings)
    now_ms, duration_ms = system_clock(), int(minutes * 60_000)
    if start_ms is None:
        start_ms = now_ms if speed is not None else now_ms - duration_ms
    options = SimulationOptions(
        seed=seed,
        events=events,
        shops=shops,
        users=users,
        start_ms=start_ms,
        duration_ms=duration_ms,
        disorder_share=disorder,
        duplicate_share=duplicates,
        bad_share=bad,
        late_share=late,
    )
    with progress("simulate") as report:
        done = run_simulate(
            options,
            definitions,
            settings.kafka.connection(),
            now_ms=now_ms,
            truth_path=truth,
            pacing=Pacing(*pacing),
            report=report,
        )
    typer.echo(sent_line(done.send), err=True)
    if done.send.failed:
        raise typer.Exit(1)


def _check_pacing(given: tuple[float | None, float | None]) -> None:
    if None not in given:
        raise typer.BadParameter("give a rate or a speed, not both", param_hint="--rate, --speed")
    if any(value is not None and not 0 < value < float("inf") for value in given):
        raise typer.BadParameter("give a number above 0", param_hint="--rate, --speed")
