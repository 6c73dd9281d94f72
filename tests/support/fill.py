"""Records into a store the way a worker puts them there, without Kafka: decode, judge, aggregate, append."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from metric_defs import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import FlushWriter
from streams.dedupe import SeenKeys
from streams.kernel import Kernel
from streams.lane import Lane, Progress, lane_name
from streams.prepare import prepare_flush
from streams.transport.batch import RecordBatch


class Filler:
    """One lane of one partition per topic."""

    def __init__(self, store: ClickHouse, registry: Registry) -> None:
        migrate(store, registry)
        self._kernel = Kernel(registry)
        self._writer = FlushWriter(store, registry)
        self._topics = {n: e.topic for n, e in registry.events.items()}
        progress = {
            e.topic: Progress(e, 0, 0, 0, seen=SeenKeys(e.dedupe.horizon) if e.dedupe else None, end_offset=0)
            for e in registry.events.values()
        }
        self._lane = Lane(lane_name(1, 0), 0, "", progress)

    def send(self, records: Mapping[str, Sequence[object]], now_ms: int, behind: int = 0) -> None:
        """One flush of event -> records (objects, or bytes as they are). ``behind``: further records in the log."""
        batches = []
        for event, given in records.items():
            topic = self._topics[event]
            progress = self._lane.progress[topic]
            values = [v if isinstance(v, bytes) else orjson.dumps(v) for v in given]
            first = progress.counted
            end = first + len(values)
            offsets = np.arange(first, end, dtype=np.int64)
            batches.append(RecordBatch(topic, 0, first, end, offsets, values, sum(map(len, values)), end + behind))
            progress.fetched, progress.end_offset = end, end + behind
        flush = prepare_flush(self._lane, batches, self._kernel, "tester", now_ms)
        self._writer.write(flush, now_ms)
        self._lane.seq, self._lane.last_worker = flush.seq, "tester"

    def heartbeat(self, now_ms: int) -> None:
        """A flush without records: carries the frontiers of caught-up topics forward."""
        self.send({}, now_ms)

    def close(self) -> None:
        """Give the engine back."""
        self._kernel.close()
