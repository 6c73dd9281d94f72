"""What ``metricgrid replay`` and ``metricgrid simulate`` do, as plain functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from deploy.feed import completejourney
from deploy.feed.batch import Batch
from deploy.feed.errors import SimulationError, SourceError
from deploy.feed.file_source import FileSource, open_file
from deploy.feed.pacing import FULL_SPEED, Pacing
from deploy.feed.progress import Report
from deploy.feed.rejects import Reject, RejectFile
from deploy.feed.sender import Sender, SendReport
from deploy.feed.simulate import Record, SimulationOptions, Truth, in_order, simulate
from metric_defs import Registry
from streams.connection import KafkaConnection

COMPLETEJOURNEY = "completejourney"


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What was sent and what was set aside; ``expected``: the totals the engine must show (completejourney only)."""

    send: SendReport
    rejected: int = 0
    first_rejects: tuple[Reject, ...] = ()
    reject_file: Path | None = None
    expected: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulateReport:
    """What was sent, and what is true of it (the content of the truth file)."""

    send: SendReport
    truth: dict[str, Any]


def quiet(done: int, total: int | None, note: str) -> None:
    """A report callback for callers who do not look."""


def run_replay(
    source: str,
    registry: Registry,
    connection: KafkaConnection,
    *,
    now_ms: int,
    event: str | None = None,
    map_path: Path | None = None,
    reject_dir: Path = Path(),
    events: int | None = None,
    shift: Literal["now"] | None = None,
    pacing: Pacing = FULL_SPEED,
    report: Report = quiet,
) -> ReplayReport:
    """Send ``completejourney`` or a file (.csv, .jsonl, .ndjson, .parquet; with ``event`` and ``map_path``) to Kafka.

    ``events``: of completejourney the *last* so many order lines (a short replay shows the latest days), of a file the
    first so many good rows. ``shift='now'`` moves all times by one offset, so that the last one sent is at ``now_ms``.
    Raises FeedError.
    """
    if events is not None and events < 1:
        raise SourceError(f"events is {events}", "give at least 1, or leave it out for all")
    if source == COMPLETEJOURNEY:
        return _replay_orders(registry, connection, now_ms if shift else None, events, pacing, report)
    if event is None or map_path is None:
        raise SourceError(
            f"to replay the file {source}, its event and its map must be known", "add --event NAME --map MAP.yaml"
        )
    opened = open_file(Path(source), event, map_path, registry)
    return _replay_file(opened, connection, now_ms if shift else None, events, reject_dir, pacing, report)


def run_simulate(
    options: SimulationOptions,
    registry: Registry,
    connection: KafkaConnection,
    *,
    now_ms: int,
    truth_path: Path | None = None,
    pacing: Pacing = FULL_SPEED,
    report: Report = quiet,
) -> SimulateReport:
    """Send a simulation, then write the truth about it beside.

    The truth holds for topics that carry nothing else later than its start. Raises FeedError; SimulationError also when
    events would be ahead of the worker's clock: unless ``speed`` sets the pace, all must lie before ``now_ms``.
    """
    ahead_ms = options.start_ms + options.duration_ms - now_ms
    # at speed 1 or below an event is sent no earlier than it happens; faster, the last ones may be from the future
    if (pacing.speed is None and ahead_ms > 0) or (
        pacing.speed is not None and _runs_ahead(options, pacing.speed, now_ms)
    ):
        raise SimulationError(
            "the simulation would send events from the future",
            f"start it {max(ahead_ms, 0)} ms earlier, or send it at speed 1 from now",
        )
    truth = Truth()
    chunks = simulate(options, registry, truth)
    topics = {name: spec.topic for name, spec in registry.events.items()}
    with Sender(connection) as sender:
        sender.check(topics[name] for name in ("orders", "page_views", "live_events"))
        sent = sender.send(
            (_as_batch(in_order(c), topics) for c in chunks), pacing, lambda done: report(done, None, "")
        )
    report(sent.sent, sent.sent, _failures(sent))
    result = {"options": _plain_options(options), **truth.as_dict()}
    if truth_path is not None:
        truth_path.parent.mkdir(parents=True, exist_ok=True)
        truth_path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    return SimulateReport(sent, result)


def _replay_orders(
    registry: Registry,
    connection: KafkaConnection,
    now_ms: int | None,
    events: int | None,
    pacing: Pacing,
    report: Report,
) -> ReplayReport:
    event = completejourney.fitting_event(registry)
    with Sender(connection) as sender:
        sender.check([event.topic])
        report(0, None, "reading the orders")
        orders = completejourney.last_events(completejourney.load_orders(), events)
        if now_ms is not None:
            orders = completejourney.shifted(orders, now_ms)
        sent = sender.send(completejourney.batches(orders, event), pacing, lambda done: report(done, orders.height, ""))
    report(sent.sent, orders.height, _failures(sent))
    return ReplayReport(sent, expected=completejourney.expected_totals(orders))


def _replay_file(
    opened: FileSource,
    connection: KafkaConnection,
    now_ms: int | None,
    events: int | None,
    reject_dir: Path,
    pacing: Pacing,
    report: Report,
) -> ReplayReport:
    with Sender(connection) as sender, RejectFile(reject_dir, opened.path.name) as rejects:
        sender.check([opened.map.event.topic])
        offset_ms = 0
        if now_ms is not None:
            report(0, None, "looking for the last event time")
            last_ms = opened.last_time_ms(events)
            offset_ms = now_ms - last_ms if last_ms is not None else 0

        def note() -> str:
            return f"{rejects.count:,} bad rows" if rejects.count else ""

        sent = sender.send(opened.batches(rejects, events, offset_ms), pacing, lambda done: report(done, None, note()))
        report(sent.sent, sent.sent, ", ".join(filter(None, (note(), _failures(sent)))))
        return ReplayReport(sent, rejects.count, tuple(rejects.first), rejects.path if rejects.count else None)


def _runs_ahead(options: SimulationOptions, speed: float, now_ms: int) -> bool:
    """Whether some event is sent before its time: it is enough to look at the first and the last."""
    end_ms = options.start_ms + options.duration_ms
    return options.start_ms > now_ms or end_ms > now_ms + options.duration_ms / speed


def _as_batch(records: Iterable[Record], topics: dict[str, str]) -> Batch:
    rows = tuple(records)
    return Batch(
        [topics[r.event] for r in rows], [r.key for r in rows], [r.value for r in rows], [r.arrival_ms for r in rows]
    )


def _failures(sent: SendReport) -> str:
    return "; ".join(f"{n:,} not delivered: {reason}" for reason, n in sent.failures.items())


def _plain_options(options: SimulationOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in _names(options)}


def _names(options: SimulationOptions) -> Iterator[str]:
    return iter(options.__dataclass_fields__)
