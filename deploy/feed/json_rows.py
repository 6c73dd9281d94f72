"""JSON objects as text columns: what a value says is kept to the letter, so that ids stay ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl


class JsonRows:
    """Collects objects; ``names`` are keys, or dotted paths into nested objects."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [(name, name.split(".")) for name in names]
        self._columns: dict[str, list[str | None]] = {name: [] for name in names}
        self._count = 0

    def add(self, text: str) -> str:
        """Take one line; returns what is wrong with it, or ''."""
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            return f"is not JSON: {exc}"
        if not isinstance(row, dict):
            return "is no JSON object"
        values = [_at(row, name, path) for name, path in self._names]
        if any(isinstance(v, float) and abs(v) >= 2**53 for v in values):
            exact = json.loads(text)  # orjson reads a whole number beyond 64 bits as a float
            values = [_at(exact, name, path) for name, path in self._names]
        for (name, _), value in zip(self._names, values, strict=True):
            self._columns[name].append(_text(value))
        self._count += 1
        return ""

    def frame(self) -> pl.DataFrame:
        """The objects so far."""
        if not self._columns:
            return pl.DataFrame(height=self._count)
        return pl.DataFrame(self._columns, schema=dict.fromkeys(self._columns, pl.String))


def _at(row: dict[str, Any], name: str, path: list[str]) -> Any:
    if name in row or len(path) == 1:
        return row.get(name)
    value: Any = row
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode() if not isinstance(value, float) else repr(value)
