"""Records that must end as dead letters, whatever else is in the partition and whenever they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

FAR_FUTURE_MS = 7_258_118_400_000
"""2200-01-01: later than any worker's clock plus its cap."""
ANCIENT_MS = 631_152_000_000
"""1990-01-01: before the year 2000."""


def _without(name: str) -> Callable[[dict[str, Any]], bytes]:
    return lambda row: orjson.dumps({k: v for k, v in row.items() if k != name})


def _with(name: str, value: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda row: orjson.dumps({**row, name: value})


BAD_KINDS: tuple[tuple[str, Callable[[dict[str, Any]], bytes]], ...] = (
    ("not_json", lambda row: orjson.dumps(row)[:-7]),
    ("missing_field", _without("user_id")),
    ("bad_field", _with("event_time", "yesterday at noon")),
    ("future", _with("event_time", FAR_FUTURE_MS)),
    ("time_out_of_range", _with("event_time", ANCIENT_MS)),
    ("not_json", lambda row: orjson.dumps(row).replace(b'"type"', b'"note":"\xff\xfe","type"', 1)),
    ("unknown_value", _with("type", "no_such_type")),
    ("missing_field", _with("shop_id", None)),
    ("bad_field", _with("event_time", 12.5)),
    ("empty", lambda row: b""),
    ("not_json", lambda row: b"[" + orjson.dumps(row) + b"]"),
    ("missing_field", _with("event_id", "")),
)
"""(reason by docs/semantics.md, how a good record is turned into one), used in turn."""
