"""What is sent: columns of records, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order in which they are to be sent; all columns have the same length.

    ``topics``: one topic for all of them, or one a record. ``keys``: the partition key (records of one key stay in
    order). ``values``: JSON text. ``times_ms``: epoch ms by which the sending is paced; never falls.
    """

    topics: str | Sequence[str]
    keys: Sequence[bytes]
    values: Sequence[bytes]
    times_ms: Sequence[int]

    def __len__(self) -> int:
        return len(self.values)
