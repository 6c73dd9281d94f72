"""Why a feed could not go on; each says what was wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.errors import OperatorError
from metric_defs import Fault


class FeedError(OperatorError):
    """Base of all of them."""


class KafkaUnreachable(FeedError):
    """No broker answered, or none confirmed what was sent in time."""


class KafkaRefused(FeedError):
    """The broker answered and said no, for good."""


class TopicMissing(FeedError):
    """A topic to send to does not exist."""


class SourceError(FeedError):
    """The file or data set cannot be read as what it is said to be."""


class MapError(FeedError):
    """The map was rejected as a whole; ``faults`` lists every reason."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__(
            "the map cannot be used:\n" + "\n".join(f"  {f}" for f in self.faults),
            "correct the places named; each field takes one of column, sql or value",
        )


class SimulationError(FeedError):
    """The options contradict each other or the registry, so that the truth could not be known."""
