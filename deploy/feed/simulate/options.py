"""What to simulate, checked against the registry: only what leaves no doubt about the truth is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.feed.errors import SimulationError
from metric_defs import Event, Registry

WRITTEN: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "orders": (
        frozenset(
            (
                "event_id",
                "event_time",
                "type",
                "order_id",
                "shop_id",
                "user_id",
                "item_id",
                "amount",
                "quantity",
                "channel",
                "campaign_id",
                "room_id",
            )
        ),
        frozenset(("created", "paid", "refund_succeeded", "cancelled")),
    ),
    "page_views": (
        frozenset(
            (
                "event_id",
                "event_time",
                "type",
                "shop_id",
                "user_id",
                "item_id",
                "quantity",
                "channel",
                "campaign_id",
                "room_id",
            )
        ),
        frozenset(("view", "favourite", "cart")),
    ),
    "live_events": (
        frozenset(
            (
                "event_id",
                "event_time",
                "type",
                "shop_id",
                "room_id",
                "live_id",
                "user_id",
                "item_id",
                "watch_ms",
                "channel",
                "campaign_id",
            )
        ),
        frozenset(("exposure", "enter", "leave", "comment", "like", "share", "follow", "item_exposure", "item_click")),
    ),
}
"""Per event: the fields the simulator writes, and the values of its field ``type``."""

EARLIEST_START_MS = 978_307_200_000
"""2001-01-01: too-late records are set before the start, and must not fall before 2000."""


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """``events`` good records spread over ``duration_ms`` from ``start_ms`` (epoch ms), and further ones on top:

    * ``duplicate_share`` of the good ones are sent again, to the letter, up to ``duplicate_delay_ms`` later;
    * ``bad_share``: so many dead ones per good one, of every kind in turn;
    * ``late_share``: so many that are too late by any partitioning;
    * ``disorder_share`` of the good ones arrive up to ``disorder_ms`` after their time, none of them too late.

    The same options give the same bytes. Raises SimulationError for numbers that make no sense.
    """

    seed: int = 1
    events: int = 100_000
    shops: int = 50
    users: int = 20_000
    start_ms: int = 1_767_225_600_000
    duration_ms: int = 3_600_000
    disorder_share: float = 0.1
    disorder_ms: int = 3_000
    duplicate_share: float = 0.01
    duplicate_delay_ms: int = 60_000
    bad_share: float = 0.005
    late_share: float = 0.002
    items_per_shop: int = 40
    campaigns: int = 6
    broadcast_ms: int = 1_800_000
    chunk: int = 2_000

    def __post_init__(self) -> None:
        problems = [
            f"{n} is {getattr(self, n)}, not at least 1"
            for n in ("events", "shops", "users", "duration_ms", "items_per_shop", "campaigns", "broadcast_ms", "chunk")
            if getattr(self, n) < 1
        ]
        problems += [
            f"{n} is {getattr(self, n)}, not between 0 and 1"
            for n in ("disorder_share", "duplicate_share", "bad_share", "late_share")
            if not 0 <= getattr(self, n) <= 1
        ]
        problems += [
            f"{n} is {getattr(self, n)}, not at least 0"
            for n in ("disorder_ms", "duplicate_delay_ms")
            if getattr(self, n) < 0
        ]
        if self.start_ms < EARLIEST_START_MS:
            problems.append(f"start_ms {self.start_ms} is before 2001-01-01")
        if problems:
            raise SimulationError("the simulation cannot be run: " + "; ".join(problems), "correct the options named")


def check_against(options: SimulationOptions, registry: Registry) -> None:
    """Raises SimulationError, naming every reason, when the registry's events are not the ones that are simulated."""
    problems = [p for name in WRITTEN for p in _event_problems(options, registry, name)]
    if problems:
        raise SimulationError(
            "this registry's events cannot be simulated:\n" + "\n".join(f"  {p}" for p in problems),
            "only the built-in orders, page_views and live_events are simulated; replay a file of your own instead",
        )


def _event_problems(options: SimulationOptions, registry: Registry, name: str) -> Iterator[str]:
    event = registry.events.get(name)
    if event is None:
        yield f"there is no event '{name}'"
        return
    fields, types = WRITTEN[name]
    for field, spec in event.fields.items():
        if spec.required and field not in fields:
            yield f"event '{name}' requires the field '{field}', which the simulator does not know"
        if spec.path not in ("", field):
            yield f"event '{name}' reads '{field}' from the path '{spec.path}'"
        if field == "type" and spec.values and not types <= set(spec.values):
            yield f"event '{name}' does not allow the types {', '.join(sorted(types - set(spec.values)))}"
    for role, want in (("key", "shop_id"), ("time", "event_time")):
        if getattr(event, role) != want:
            yield f"event '{name}' has the {role} field '{getattr(event, role)}', not '{want}'"
    yield from _doubtful(options, event)


def _doubtful(options: SimulationOptions, event: Event) -> Iterator[str]:
    if options.disorder_ms > event.disorder + event.allowed_lateness:
        yield (
            f"event '{event.event}': disorder_ms {options.disorder_ms} is beyond disorder + allowed_lateness "
            f"({event.disorder + event.allowed_lateness}), so some records would be too late"
        )
    if options.duplicate_share and (event.dedupe is None or event.dedupe.key != ("event_id",)):
        yield f"event '{event.event}' is not deduplicated by event_id alone, but duplicates are asked for"
    elif event.dedupe and options.duplicate_delay_ms + options.disorder_ms >= event.dedupe.horizon:
        yield f"event '{event.event}': duplicates would come after the dedupe horizon of {event.dedupe.horizon} ms"
