"""Strict reading of a record's value, for the reference: RFC 8259 on top of Python's json, which by itself is laxer."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any, NoReturn

MAX_DEPTH = 1000
"""Deeper nesting is refused. The engine's own limit lies near; tests stay far from both on either side."""

_PAIRED, _LONE = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}", r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"{_PAIRED}|({_LONE})|\\.", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class NotJsonError(ValueError):
    """The bytes are no JSON object."""


def read_object(value: bytes) -> dict[str, Any]:
    """The object that ``value`` is, with the first of names that repeat. Raises NotJsonError."""
    try:
        text = value.decode("utf-8", errors="strict")
    except UnicodeDecodeError as exc:
        raise NotJsonError(f"not UTF-8: {exc}") from None
    if _depth(text) > MAX_DEPTH:
        raise NotJsonError(f"nested deeper than {MAX_DEPTH}")
    # each backslash is consumed with what it escapes: '\\ud800' is an escaped backslash and five letters
    if any(match[1] for match in _ESCAPE.finditer(text)):
        raise NotJsonError("half a surrogate pair")
    try:
        parsed = _loads(text)
    except ValueError as exc:
        raise NotJsonError(str(exc)) from None
    if not isinstance(parsed, dict):
        raise NotJsonError("no object at the top")
    return parsed


def _loads(text: str) -> Any:
    # the C scanner counts its nesting against the interpreter's limit, on top of whatever stack the caller has used
    before, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    sys.setrecursionlimit(before + 5 * MAX_DEPTH)
    sys.set_int_max_str_digits(0)
    try:
        return json.loads(text, object_pairs_hook=_first_wins, parse_constant=_refuse, parse_float=_float)
    finally:
        sys.setrecursionlimit(before)
        sys.set_int_max_str_digits(digits)


def _depth(text: str) -> int:
    """Greatest number of brackets open at once, those inside strings left out."""
    depth = deepest = 0
    for char in _STRING.sub("", text):
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _refuse(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is no JSON number")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NotJsonError(f"{text[:40]} does not fit a 64-bit float")
    return value

