"""From a parsed object to the typed fields of an event, for the reference. Rules: docs/semantics.md, "Types"."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from metric_defs.models import Event, EventField

MAX_INTEGER = 2**53 - 1
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

Value = str | int | float


class BadFieldError(ValueError):
    """A field is there but cannot be read as its type."""


def read_fields(event: Event, record: Mapping[str, Any]) -> tuple[str, dict[str, Value] | None]:
    """(reason the record is dead for, or ''; its fields, or None when one is missing or cannot be read)."""
    found = {name: lookup(record, spec.path or name) for name, spec in event.fields.items()}
    for name, spec in event.fields.items():
        if spec.required and (found[name] is None or (spec.type == "string" and found[name] == "")):
            return "missing_field", None
    values: dict[str, Value] = {}
    for name, spec in event.fields.items():
        try:
            values[name] = absent_value(spec) if found[name] is None else typed(spec.type, found[name])
        except BadFieldError:
            return "bad_field", None
    for name, spec in event.fields.items():
        if spec.values and found[name] is not None and values[name] not in spec.values:
            return "unknown_value", values
    return "", values


def lookup(record: Mapping[str, Any], path: str) -> Any:
    """What stands at ``a.b.c``; None when absent, null, or when a part of the way is no object."""
    here: Any = record
    for part in path.split("."):
        if not isinstance(here, dict):
            return None
        here = here.get(part)
    return here


def absent_value(spec: EventField) -> Value:
    """What a field is when the record does not have it."""
    if spec.type == "string":
        return "" if spec.default is None else str(spec.default)
    if spec.type == "number":
        return float(spec.default or 0)
    return int(spec.default or 0)


def typed(kind: str, value: Any) -> Value:
    """Read a JSON value that is neither absent nor null. Raises BadFieldError."""
    if kind == "string":
        return text_of(value)
    number = _number(value)
    if kind == "number":
        return float(number)
    if abs(number) > (1 if kind == "boolean" else MAX_INTEGER) or number != int(number):
        raise BadFieldError(f"{value!r} has a fraction or is out of range")
    if kind == "boolean" and number < 0:
        raise BadFieldError(f"{value!r} is neither true, false, 0 nor 1")
    return int(number)


def _number(value: Any) -> int | float:
    """A finite number; whole ones as int where they fit."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise BadFieldError(f"{value!r} is no plain decimal number")
        value = int(value) if value.lstrip("+-").isdigit() and len(value) < 40 else float(value)
    if not isinstance(value, (int, float)) or abs(value) > sys.float_info.max:
        raise BadFieldError("no finite number")
    return value


def text_of(value: Any) -> str:
    """A string itself; of anything else its JSON text, without white space."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def float_text(value: float) -> str:
    """The shortest digits that read back as ``value``, as ClickHouse writes them: 2, 1.5, 1000, 1e21, 1e-7."""
    sign = "-" if str(value).startswith("-") else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    if -6 < point <= 21:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        padded = digits.ljust(point, "0")
        return sign + padded[:point] + ("." + padded[point:] if padded[point:] else "")
    return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{point - 1}"
