"""Waiting until everything sent is counted, by the ledger against Kafka's own ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from deploy.errors import OperatorError
from deploy.status import Partition, lags, last_positions
from sinks.clickhouse.client import ClickHouse
from sinks.errors import StoreError

LOOK_EVERY_S = 0.25
STALL_S = 90.0


class Stalled(OperatorError):
    """Nothing was counted for a long time; the text names the partitions that wait."""


def wait_until_counted(
    store: ClickHouse,
    ends: Mapping[Partition, tuple[int, int]],
    tend: Callable[[], None],
    report: Callable[[int, int], None],
    stall_s: float = STALL_S,
) -> None:
    """Return when no partition lags behind ``ends``. ``tend`` is called at every look, ``report`` with (counted, all).

    Raises Stalled after ``stall_s`` without progress, and what ``tend`` raises.
    """
    total = sum(end - first for first, end in ends.values())
    moved_s, waiting_before, trouble = time.monotonic(), -1, ""
    waiting: dict[Partition, int] = {}
    while True:
        tend()
        try:
            waiting, trouble = lags(last_positions(store), ends), ""
        except StoreError as error:
            trouble = str(error)
        left = sum(waiting.values())
        if not trouble:
            report(total - left, total)
            if not left:
                return
            if left != waiting_before:
                moved_s, waiting_before = time.monotonic(), left
        if time.monotonic() - moved_s > stall_s:
            stuck = ", ".join(f"{topic}-{number} ({lag:,})" for (topic, number), lag in sorted(waiting.items()) if lag)
            raise Stalled(
                f"nothing was counted for {stall_s:g} s; records wait in {stuck or 'every partition'}"
                + (f"; the store says: {trouble}" if trouble else ""),
                "see the worker's log in the data directory (name one with --data-dir to keep it)",
            )
        time.sleep(LOOK_EVERY_S)
