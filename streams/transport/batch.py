"""A slice of one partition's log as one value, and the schema by which a topic asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from faust.serializers.schemas import Schema


@dataclass(slots=True, eq=False)
class RecordBatch:
    """Every record of a partition in offsets [fetch_offset, next_offset): ``values[i]`` stands at ``offsets[i]``.

    Offsets may have holes (compaction, transactions, control records). ``end_offset`` is the end of the log when it
    was fetched, -1 when unknown.
    """

    topic: str
    partition: int
    fetch_offset: int
    next_offset: int
    offsets: npt.NDArray[np.int64]
    values: Sequence[bytes | None]
    size_bytes: int
    end_offset: int = -1
    generation: int = -1

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        return True

    def after(self, offset: int) -> RecordBatch:
        """The part at or after ``offset``: what a replay has not applied yet."""
        if offset <= self.fetch_offset:
            return self
        start = int(np.searchsorted(self.offsets, offset))
        values = self.values[start:]
        return RecordBatch(
            self.topic,
            self.partition,
            max(offset, self.fetch_offset),
            self.next_offset,
            self.offsets[start:],
            values,
            sum(len(v or b"") for v in values),
            self.end_offset,
            self.generation,
        )


class BatchSchema(Schema):  # type: ignore[misc]
    """Marks a topic as read in batches; decoding is the identity."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Faust's hook: the coroutine that turns a message into an event."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, message.headers, message)

        return decode
