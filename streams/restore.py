"""Rebuild a lane from what is durable: ledger positions, watermarks, and the keys already counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metric_defs.compile.restore import seen_keys_query
from metric_defs.models import Event
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.ledger import read_lane
from streams.dedupe import SeenKeys
from streams.lane import Lane, Progress
from streams.watermark import NO_TIME

_KEY_ROW = np.dtype([("low", "<u8"), ("high", "<u8"), ("time", "<i8")])


def restore_lane(store: ClickHouse, name: str, index: int, events: Mapping[str, Event]) -> Lane:
    """Read lane ``name`` (partition ``index`` of ``events``, keyed by topic) back. Raises StoreError.

    A topic that was never counted in this lane gets ``counted`` -1: where to start is the caller's to decide.
    """
    state = read_lane(store, name, index)
    progress: dict[str, Progress] = {}
    for topic, event in events.items():
        entry = state.entry(topic)
        start = entry.next_offset if entry else -1
        greatest = entry.max_event_time if entry else NO_TIME
        seen = None
        if event.dedupe is not None:
            seen = SeenKeys(event.dedupe.horizon)
            if entry:
                _read_keys(store, event, index, start, greatest - event.disorder, seen)
        progress[topic] = Progress(event, index, start, start, greatest, seen)
    return Lane(name, state.seq, state.worker, progress)


def _read_keys(
    store: ClickHouse, event: Event, partition: int, next_offset: int, watermark_ms: int, seen: SeenKeys
) -> None:
    data = store.raw(
        seen_keys_query(event),
        "RowBinary",
        {"partition": partition, "next_offset": next_offset, "after_ms": watermark_ms - seen.horizon_ms},
    )
    rows = np.frombuffer(data, dtype=_KEY_ROW)
    seen.add(rows["high"].copy(), rows["low"].copy(), rows["time"].copy(), watermark_ms)
