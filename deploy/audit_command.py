"""What ``metricgrid audit`` does."""

from __future__ import annotations

import json
import sys

from deploy.audit import run_audit
from deploy.settings import Settings
from deploy.wiring import registry_of, store_of
from sinks.clickhouse.client import ClickHouse


def audited(settings: Settings, as_json: bool) -> bool:
    """Print the audit's findings; whether it is clean. Raises RegistryError, OperatorError or StoreError."""
    registry, kafka = registry_of(settings), settings.kafka.connection()
    store = ClickHouse(store_of(settings))
    try:
        report = run_audit(registry, kafka, store, lambda text: print(text, file=sys.stderr, flush=True))
    finally:
        store.close()
    print(json.dumps(report.as_dict(), indent=2, default=str) if as_json else "\n".join(report.lines()))
    return report.clean
