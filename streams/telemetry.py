"""Every figure a worker tells about itself, in one place (Prometheus names; labels are bounded)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("metricgrid_records_total", "Records read from Kafka, by what became of them", ["topic", "verdict"])
LOST = Counter("metricgrid_offsets_lost_total", "Offsets that the log dropped before they were counted", ["topic"])
FENCED = Counter("metricgrid_flushes_fenced_total", "Flushes refused because another worker owns the lane")
RETRIED = Counter("metricgrid_flushes_retried_total", "Attempts to write a flush that failed")
FLUSH_SECONDS = Histogram(
    "metricgrid_flush_seconds",
    "Time of a flush by stage",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
FLUSH_BYTES = Counter("metricgrid_flush_bytes_total", "Bytes sent to the store")
BUFFERED_BYTES = Gauge("metricgrid_buffered_bytes", "Fetched but not yet flushed")
LANES = Gauge("metricgrid_lanes", "Lanes owned by this worker")
SEEN_BYTES = Gauge("metricgrid_dedupe_bytes", "Memory of the keys already counted")
