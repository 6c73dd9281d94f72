"""From a lane's buffered batches to one Flush: decode, judge, aggregate, and state in the ledger what was done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from metric_defs.compile.kernel import REASONS
from metric_defs.compile.layout import VERDICTS
from sinks.clickhouse.ledger import LedgerEntry
from sinks.clickhouse.writer import DeadLetter, Flush
from sinks.fault_points import reach
from streams.kernel import Kernel
from streams.lane import Lane, Progress
from streams.transport.batch import RecordBatch
from streams.verdict import DEAD, TOO_LATE, Judged, judge
from streams.watermark import frontier


def prepare_flush(lane: Lane, batches: Sequence[RecordBatch], kernel: Kernel, worker: str, now_ms: int) -> Flush:
    """Run the kernel over the batches (oldest first) and advance the lane's progress. Runs on the kernel's thread.

    Every topic of the lane gets an entry, an empty range when it brought nothing, so that the last flush of a lane tells
    how far all of its topics are; a flush without batches is a heartbeat.
    """
    by_topic: defaultdict[str, list[RecordBatch]] = defaultdict(list)
    for batch in batches:
        by_topic[batch.topic].append(batch)
    entries: list[LedgerEntry] = []
    raw: list[tuple[str, bytes]] = []
    cells: list[bytes] = []
    dead: list[DeadLetter] = []
    for topic, progress in lane.progress.items():
        first = progress.counted
        offsets, values = _joined(by_topic[topic])
        judged = None
        if len(values):
            decoded = kernel.decode(progress.event.event, offsets, values, now_ms)
            reach("records_decoded")
            judged = judge(decoded, progress.event, progress.greatest_ms, progress.seen)
            blocks = kernel.blocks(progress.event.event, progress.partition, offsets, judged.verdict, decoded.reason)
            progress.greatest_ms, progress.last_record_ms = judged.greatest_ms, now_ms
            dead += _letters(progress, offsets, values, judged, decoded.reason)
            cells += blocks.cells
            if blocks.raw is not None:
                raw.append((progress.event.event, blocks.raw))
        if by_topic[topic]:
            progress.counted = by_topic[topic][-1].next_offset
        entries.append(_entry(progress, topic, first, judged, worker, now_ms))
    return Flush(lane.name, lane.seq + 1, lane.last_worker, tuple(entries), tuple(raw), tuple(cells), tuple(dead))


def _joined(batches: Sequence[RecordBatch]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[bytes | None]]:
    if not batches:
        return np.empty(0, np.int64), []
    return np.concatenate([b.offsets for b in batches]), [v for b in batches for v in b.values]


def _letters(
    progress: Progress,
    offsets: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: Sequence[bytes | None],
    judged: Judged,
    reason: np.ndarray[tuple[int], np.dtype[np.uint8]],
) -> list[DeadLetter]:
    """Dead records, and too-late ones where no raw table keeps them."""
    event = progress.event
    kept = (
        np.flatnonzero(judged.verdict == DEAD)
        if event.raw.keep
        else np.flatnonzero((judged.verdict == DEAD) | (judged.verdict == TOO_LATE))
    )
    return [
        DeadLetter(
            event.topic,
            progress.partition,
            int(offsets[i]),
            event.event,
            REASONS[reason[i]] or VERDICTS[judged.verdict[i]],
            values[i],
        )
        for i in kept.tolist()
    ]


def _entry(progress: Progress, topic: str, first: int, judged: Judged | None, worker: str, now_ms: int) -> LedgerEntry:
    counts = [judged.count(code) if judged else 0 for code in range(len(VERDICTS))]
    caught_up = now_ms if progress.counted >= progress.end_offset else None
    return LedgerEntry(
        topic=topic,
        partition=progress.partition,
        first_offset=first,
        next_offset=progress.counted,
        read=sum(counts),
        counted=counts[0],
        duplicate=counts[1],
        too_late=counts[2],
        dead=counts[3],
        max_event_time=progress.greatest_ms,
        watermark=progress.watermark_ms,
        end_offset=progress.end_offset,
        frontier=frontier(progress.watermark_ms, progress.last_record_ms, caught_up, progress.event.idle_after),
        worker=worker,
        written_at=now_ms,
    )
