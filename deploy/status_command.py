"""What ``metricgrid status`` does."""

from __future__ import annotations

import json
import time

from deploy.settings import Settings
from deploy.status import read_status
from deploy.status_view import live_view, status_lines
from deploy.wiring import registry_of, store_of
from sinks.clickhouse.client import ClickHouse
from streams.clock import system_clock

WATCH_EVERY_S = 2.0


def show_status(settings: Settings, as_json: bool, watch: bool) -> None:
    """Print the status once, or again and again until interrupted. Raises RegistryError or StoreError."""
    registry, kafka = registry_of(settings), settings.kafka.connection()
    store = ClickHouse(store_of(settings))
    try:
        if not watch:
            status = read_status(registry, store, kafka, system_clock())
            print(json.dumps(status.as_dict(), indent=2) if as_json else "\n".join(status_lines(status)))
        elif as_json:
            while True:
                status = read_status(registry, store, kafka, system_clock())
                print(json.dumps(status.as_dict()), flush=True)
                time.sleep(WATCH_EVERY_S)
        else:
            with live_view(time.monotonic) as view:
                while True:
                    view.show(read_status(registry, store, kafka, system_clock()), settings.clickhouse.url)
                    time.sleep(WATCH_EVERY_S)
    finally:
        store.close()
