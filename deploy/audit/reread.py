"""Events whose raw records the store does not keep are read again from Kafka into a scratch table, to be recounted there.

The decoding here is plain Python on purpose: it shares nothing with the kernel it helps to judge.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from deploy.errors import OperatorError
from metric_defs.compile.layout import raw_columns
from metric_defs.models import Event, EventField
from sinks.clickhouse.client import ClickHouse
from streams.connection import KafkaConnection

CHUNK = 20_000
READ_TIMEOUT_S = 30.0


@contextmanager
def reread(event: Event, kafka: KafkaConnection, store: ClickHouse, limits: Mapping[int, int]) -> Iterator[str]:
    """A table with the event's counted records below ``limits`` (partition -> offset); it is dropped at the end."""
    table = f"audit_{event.event}"
    columns = raw_columns(event)
    store.execute(f"DROP TABLE IF EXISTS {table}")
    store.execute(
        f"CREATE TABLE {table} ({', '.join(f'`{c.name}` {c.type}' for c in columns)}) ENGINE = MergeTree ORDER BY (k_partition, k_offset)"
    )
    try:
        left_out = {
            (int(p), int(o))
            for p, o in store.rows(
                "SELECT partition, offset FROM dead_letters WHERE topic = {topic:String}", {"topic": event.topic}
            )
        }
        rows: list[list[Any]] = []
        for partition, offset, value in _records(event.topic, kafka, limits):
            if (partition, offset) not in left_out:
                rows.append([partition, offset, 0, *decoded(event, value)])
            if len(rows) >= CHUNK:
                store.insert_rows(table, [c.name for c in columns], rows)
                rows = []
        if rows:
            store.insert_rows(table, [c.name for c in columns], rows)
        yield table
    finally:
        store.execute(f"DROP TABLE IF EXISTS {table}")


def decoded(event: Event, value: bytes) -> list[Any]:
    """Declared fields of a good record, in the order of the event's fields."""
    record = json.loads(value, object_pairs_hook=_first_wins)
    return [_typed(field, _at(record, (field.path or name).split("."))) for name, field in event.fields.items()]


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _at(record: Any, path: list[str]) -> Any:
    for part in path:
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _typed(field: EventField, value: Any) -> Any:
    if value is None:
        value = field.default
    if field.type == "string":
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    number = float(value) if value is not None else 0.0
    return number if field.type == "number" else int(number)


def _records(topic: str, kafka: KafkaConnection, limits: Mapping[int, int]) -> Iterator[tuple[int, int, bytes]]:
    """(partition, offset, value) of every record below the limits, partition by partition."""
    consumer = Consumer(
        {
            **kafka.librdkafka(),
            "group.id": "metricgrid-audit",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        for partition, limit in limits.items():
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_TIMEOUT_S)
            if low < limit:
                consumer.assign([TopicPartition(topic, partition, low)])
                yield from (
                    (partition, offset, value) for offset, value in _partition(consumer, f"{topic}-{partition}", limit)
                )
    finally:
        consumer.close()


def _partition(consumer: Consumer, name: str, limit: int) -> Iterator[tuple[int, bytes]]:
    silent_since = time.monotonic()
    while True:
        for message in consumer.consume(CHUNK, timeout=0.2):
            silent_since = time.monotonic()
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return
            if error is not None:
                raise OperatorError(
                    f"{name} cannot be read again: {error}", "see that Kafka is reachable, then audit again"
                )
            if message.offset() >= limit:
                return
            yield message.offset(), message.value() or b""
            if message.offset() == limit - 1:
                return
        if time.monotonic() - silent_since > READ_TIMEOUT_S:
            raise OperatorError(
                f"{name} brought nothing for {READ_TIMEOUT_S:g} s", "see that Kafka is reachable, then audit again"
            )
