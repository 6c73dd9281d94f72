"""A Faust transport that delivers one message per (partition, fetch): a RecordBatch."""

from streams.transport.batch import BatchSchema, RecordBatch
from streams.transport.consumer import BatchTransport, install

__all__ = ["BatchSchema", "BatchTransport", "RecordBatch", "install"]
