"""What flows during a demo to watch: real orders up to a while ago, then simulated journeys up to now and on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deploy.demo.background import Background
from deploy.demo.options import DemoOptions
from deploy.feed import completejourney
from deploy.feed.commands import COMPLETEJOURNEY, run_replay, run_simulate
from deploy.feed.errors import SimulationError, SourceError
from deploy.feed.pacing import Pacing
from deploy.feed.simulate import SimulationOptions
from deploy.feed.simulate.options import check_against
from deploy.topics import topic_ends
from metric_defs import Registry
from streams.clock import Clock
from streams.connection import KafkaConnection

BACKFILL_MS = 10 * 60_000
"""The orders end this long ago: simulated orders after them would be too late if they began before."""
LIVE_MS = 3 * 3_600_000
SEED = 618


def feed(
    registry: Registry,
    kafka: KafkaConnection,
    options: DemoOptions,
    clock: Clock,
    say: Callable[[str], None],
    work: Background[None],
) -> None:
    """Send until cancelled. Says what it does, and what to do instead where the registry does not fit."""
    topics = [event.topic for event in registry.events.values()]
    fresh = all(first == end for first, end in topic_ends(kafka, topics).values())
    begin_ms = clock() - BACKFILL_MS
    try:
        completejourney.fitting_event(registry)
    except SourceError as error:
        say(f"{error.what}, so nothing is replayed; send events of your own: "
            "metricgrid replay FILE --event NAME --map MAP.yaml")
    else:
        if fresh:
            _replay(registry, kafka, options.events, begin_ms, say, work)
        else:
            say("the topics hold events of an earlier run: going on from there, nothing is replayed")
    world = SimulationOptions(seed=SEED, events=int(options.rate * BACKFILL_MS / 1000), start_ms=begin_ms, duration_ms=BACKFILL_MS)
    try:
        check_against(world, registry)
    except SimulationError as error:
        say(f"nothing is simulated: {error.what}")
        return
    if fresh:
        _simulate(world, registry, kafka, None, clock(), work)
        say(f"simulated journeys of the last {BACKFILL_MS // 60_000} minutes sent; now {options.rate:g} events/s live")
    while True:
        live = replace(world, events=int(options.rate * LIVE_MS / 1000), start_ms=clock(), duration_ms=LIVE_MS)
        _simulate(live, registry, kafka, 1.0, live.start_ms, work)


def _replay(
    registry: Registry,
    kafka: KafkaConnection,
    events: int,
    end_ms: int,
    say: Callable[[str], None],
    work: Background[None],
) -> None:
    done = run_replay(
        COMPLETEJOURNEY,
        registry,
        kafka,
        now_ms=end_ms,
        events=events,
        shift="now",
        report=lambda done, total, note: work.check(),
    )
    say(f"{done.send.confirmed:,} real order lines replayed, the last {BACKFILL_MS // 60_000} minutes ago")


def _simulate(
    options: SimulationOptions,
    registry: Registry,
    kafka: KafkaConnection,
    speed: float | None,
    now_ms: int,
    work: Background[Any],
) -> None:
    run_simulate(
        options,
        registry,
        kafka,
        now_ms=now_ms,
        pacing=Pacing(speed=speed),
        report=lambda done, total, note: work.check(),
    )
