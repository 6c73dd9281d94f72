"""One record to be sent, with what will become of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple


class Outcome(StrEnum):
    """How a record must end, by docs/semantics.md."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    TOO_LATE = "too_late"
    DEAD = "dead"


class Record(NamedTuple):
    """``number``: place in the order of sending over all events; ``arrival_ms``: when it is sent, never falling."""

    number: int
    event: str
    key: bytes
    value: bytes
    arrival_ms: int
    event_time_ms: int
    outcome: Outcome
    reason: str = ""


def in_order(chunk: Mapping[str, Iterable[Record]]) -> list[Record]:
    """The records of all events in the order of sending."""
    return sorted((r for records in chunk.values() for r in records), key=attrgetter("number"))
