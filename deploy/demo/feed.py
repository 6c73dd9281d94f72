"""What flows during a demo to watch: real orders up to a while ago, then simulated journeys up to now and on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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

BACKFILL_MS = 5 * 60_000
"""The orders end this long ago: simulated orders after them would be too late if they began before."""
LIVE_MS = 6 * 3_600_000
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
        say(
            f"{error.what}, so nothing is replayed; send events of your own: "
            "metricgrid replay FILE --event NAME --map MAP.yaml"
        )
    else:
        if fresh:
            _replay(registry, kafka, options.events, begin_ms, say, work)
        else:
            say("the topics hold events of an earlier run: going on from there, nothing is replayed")
    # one simulation from a while ago through now and on, so that journeys begun before now go on after it
    first = _journeys(options, begin_ms if fresh else clock())
    try:
        check_against(first, registry)
    except SimulationError as error:
        say(f"nothing is simulated: {error.what}")
        return
    say(f"simulated journeys on top: {options.rate:g} events a second")
    _simulate(first, registry, kafka, clock(), work)
    while True:
        now_ms = clock()
        _simulate(_journeys(options, now_ms), registry, kafka, now_ms, work)


@dataclass(frozen=True, slots=True)
class FromThen(Pacing):
    """As it happened, but what happened before now at once: ``head_s`` of event time are due at the start."""

    head_s: float = 0.0

    def due(self, sent: int, times_ms: Sequence[int], begin: int, end: int, first_ms: int, elapsed_s: float) -> int:
        """How many of the records are due."""
        return Pacing.due(self, sent, times_ms, begin, end, first_ms, elapsed_s + self.head_s)

    def wait_s(self, sent: int, next_ms: int, first_ms: int, elapsed_s: float) -> float:
        """Seconds until the next record is due."""
        return Pacing.wait_s(self, sent, next_ms, first_ms, elapsed_s + self.head_s)


def _journeys(options: DemoOptions, start_ms: int) -> SimulationOptions:
    return SimulationOptions(
        seed=SEED, events=int(options.rate * LIVE_MS / 1000), start_ms=start_ms, duration_ms=LIVE_MS
    )


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
    options: SimulationOptions, registry: Registry, kafka: KafkaConnection, now_ms: int, work: Background[None]
) -> None:
    run_simulate(
        options,
        registry,
        kafka,
        now_ms=now_ms,
        pacing=FromThen(speed=1.0, head_s=(now_ms - options.start_ms) / 1000),
        report=lambda done, total, note: work.check(),
    )
