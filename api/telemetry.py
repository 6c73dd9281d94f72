"""Every figure the api tells about itself, in one place (Prometheus names; labels are bounded)."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from api.freshness import TopicFreshness


class Telemetry:
    """One set per app, so that apps in one process do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "metricgrid_api_request_seconds",
            "Time of a request by route and status",
            ["route", "status"],
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.build_seconds = Histogram(
            "metricgrid_api_snapshot_build_seconds",
            "Time to read a snapshot",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.snapshot_age = Gauge(
            "metricgrid_api_snapshot_age_seconds",
            "Age of the figures answered from; NaN: none yet",
            registry=self.registry,
        )
        self.store_up = Gauge("metricgrid_api_store_up", "1 while the store can be read", registry=self.registry)
        self.freshness = Gauge(
            "metricgrid_freshness_seconds", "How far counting lies behind, by topic", ["topic"], registry=self.registry
        )
        self.lag = Gauge(
            "metricgrid_lag_records",
            "Records in the log that are not counted yet, by topic",
            ["topic"],
            registry=self.registry,
        )

    def text(self, age_s: float, store_up: bool, freshness: Mapping[str, TopicFreshness], now_ms: int) -> bytes:
        """The exposition, brought up to the moment."""
        self.snapshot_age.set(age_s)
        self.store_up.set(store_up)
        for topic, state in freshness.items():
            age_ms = state.age_ms(now_ms)
            self.freshness.labels(topic).set(float("nan") if age_ms is None else age_ms / 1000)
            self.lag.labels(topic).set(state.lag)
        return generate_latest(self.registry)
