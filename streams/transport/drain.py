"""Take a fetched chunk of a partition straight from aiokafka's record batches, without an object per record.

Building a ConsumerRecord costs more than everything the kernel does to an event; only the value's bytes are taken, which
the garbage collector does not track. The rules (checksums, control records, aborted transactions) are those of
``aiokafka.consumer.fetcher.PartitionRecords._unpack_records`` in 0.14; its private names are checked by ``self_check``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from streams.transport.batch import RecordBatch

_NEEDED = (
    (FetchResult, ("_update_position", "check_assignment", "has_more", "getall")),
    (PartitionRecords, ("_unpack_records", "_consume_aborted_up_to", "_contains_abort_marker")),
)


def self_check() -> None:
    """Raise RuntimeError when the installed aiokafka lacks a private name this module relies on."""
    for owner, names in _NEEDED:
        gone = [n for n in names if not hasattr(owner, n)]
        if gone:
            raise RuntimeError(
                f"aiokafka's {owner.__name__} has no {', '.join(gone)}: install the locked aiokafka 0.14"
            )


class SparseLog(Exception):
    """A Kafka batch has holes inside (compaction): read this partition with ``sparse=True``; nothing was consumed."""


def drain(result: FetchResult, topic: str, partition: int, max_records: int, sparse: bool) -> RecordBatch | None:
    """Up to about ``max_records`` records from where the partition was left, whole Kafka batches at a time.

    Advances the partition's position. The batch has no values when only control or aborted records were passed, so that
    the reader can still advance over them; None when nothing was left. Raises SparseLog, and CorruptRecordException on
    a bad checksum; the caller then drops the chunk and it is fetched again from the unchanged position.
    """
    records = result._partition_records
    memory = records._records
    committed_only = records._isolation_level == READ_COMMITTED
    start: int = records.next_fetch_offset
    position = start
    values: list[bytes | None] = []
    offsets: list[npt.NDArray[np.int64]] = []
    while memory.has_next() and len(values) < max_records:
        batch = memory.next_batch()
        if records._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"bad checksum in {topic}-{partition} at offset {batch.base_offset}")
        if _is_data(records, batch, committed_only):
            if sparse or batch.base_offset < position:
                chosen = [r for r in batch if r.offset >= position]
                values += [r.value for r in chosen]
                offsets.append(np.fromiter((r.offset for r in chosen), np.int64, len(chosen)))
            else:
                before = len(values)
                values += [r.value for r in batch]
                if len(values) - before != batch.next_offset - batch.base_offset:
                    raise SparseLog
                offsets.append(np.arange(batch.base_offset, batch.next_offset, dtype=np.int64))
        position = max(position, batch.next_offset)
    records.next_fetch_offset = position
    result._update_position()
    if position == start:
        return None
    joined = np.concatenate(offsets) if offsets else np.empty(0, np.int64)
    return RecordBatch(topic, partition, start, position, joined, values, sum(len(v) for v in values if v is not None))


def _is_data(records: PartitionRecords, batch: Any, committed_only: bool) -> bool:
    if committed_only and batch.producer_id is not None:
        records._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and records._contains_abort_marker(batch):
            records._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in records._aborted_producers:
            return False
    return not batch.is_control_batch
