"""The map of a file of one's own: which column, expression or fixed value gives each field of an event.

    fields:
      event_id:   {column: id}
      event_time: {column: ts, format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai}   # or epoch_ms, epoch_s, rfc3339
      amount:     {column: price, times: 100}        # 19.99 becomes 1999, rounded half away from zero
      quantity:   {sql: "CAST(boxes * 6 AS BIGINT)"}   # polars' SQL over the row's columns; note that CAST cuts off
      channel:    {value: offline}
    columns: {price: number}                         # optional: types for 'sql', where the first rows mislead
    separator: ";"                                   # optional: of a CSV file, else told from its header

A local time that occurs twice (when clocks go back) is taken as the earlier one; one that never occurs is a bad row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from deploy.feed.sql import expression_problem
from metric_defs import Event, Fault
from metric_defs.faults import did_you_mean
from metric_defs.models import EventField
from metric_defs.source import Document, read_document

Kind = Literal["column", "sql", "value"]
KINDS: tuple[Kind, ...] = ("column", "sql", "value")
NAMED_FORMATS = ("epoch_ms", "epoch_s", "rfc3339")
COLUMN_TYPES = ("string", "integer", "number", "boolean")
_DIRECTIVES = "YmdHMSfzyBbejpIFTDRkl"


@dataclass(frozen=True, slots=True)
class FieldSource:
    """Where one field's values come from. ``line``: where the map says so."""

    field: str
    kind: Kind
    given: Any
    line: int
    times: int = 1
    format: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class EventMap:
    """A map without faults, as far as that can be told without the file's columns."""

    file: str
    event: Event
    sources: tuple[FieldSource, ...]
    columns: Mapping[str, str]
    separator: str = ""

    def fault(self, source: FieldSource, message: str, hint: str = "") -> Fault:
        """A fault of one field."""
        return Fault(self.file, source.line, f"field '{source.field}': {message}", hint)


def read_map(path: Path, event: Event) -> tuple[EventMap, list[Fault]]:
    """The map and all that is wrong with it; faulty fields are left out of the map. Raises nothing."""
    document, faults = read_document(path, path.name)
    if document is None:
        return EventMap(path.name, event, (), {}), faults
    top = document.value
    if not isinstance(top, dict) or not isinstance(top.get("fields"), dict):
        return EventMap(path.name, event, (), {}), [
            *faults,
            Fault(path.name, 1, "has no mapping 'fields'", "start with 'fields:'"),
        ]
    for key in top:
        if key not in ("fields", "columns", "separator"):
            faults.append(
                Fault(
                    path.name,
                    document.line((key,)),
                    f"unknown key '{key}'",
                    did_you_mean(key, ("fields", "columns", "separator")),
                )
            )
    sources = tuple(s for name, given in top["fields"].items() if (s := _source(document, event, name, given, faults)))
    for name, spec in event.fields.items():
        if spec.required and name not in top["fields"]:
            faults.append(
                Fault(
                    path.name,
                    document.line(("fields",)),
                    f"field '{name}' is missing, which event '{event.event}' requires",
                    f"add '{name}: {{column: …}}'",
                )
            )
    columns = _columns(document, top.get("columns", {}), faults)
    separator = top.get("separator", "")
    if not isinstance(separator, str) or len(separator) > 1 or separator in ('"', "\n", "\r"):
        faults.append(
            Fault(
                path.name,
                document.line(("separator",)),
                f"separator {separator!r} is not one character",
                r'such as ";" or "\t"',
            )
        )
        separator = ""
    return EventMap(path.name, event, sources, columns, separator), faults


def _source(document: Document, event: Event, name: str, given: Any, faults: list[Fault]) -> FieldSource | None:
    place = ("fields", name)
    before = len(faults)

    def fault(message: str, hint: str = "", key: str = "") -> None:
        faults.append(
            Fault(document.file, document.line((*place, key) if key else place), f"field '{name}': {message}", hint)
        )

    spec = event.fields.get(name)
    if spec is None:
        fault(f"event '{event.event}' has no such field", did_you_mean(name, event.fields))
    if not isinstance(given, dict):
        fault("is no mapping", f"write '{name}: {{column: …}}', {{sql: …}} or {{value: …}}")
        return None
    for key in given:
        if key not in (*KINDS, "times", "format", "zone"):
            fault(f"unknown key '{key}'", did_you_mean(key, (*KINDS, "times", "format", "zone")), key)
    kinds = [k for k in KINDS if k in given]
    if len(kinds) != 1:
        fault("gives " + (" and ".join(kinds) or "no source"), "give exactly one of column, sql or value")
        return None
    if spec is not None:
        for message, hint, key in (*_given_faults(spec, kinds[0], given), *_time_faults(spec, kinds[0], given)):
            fault(message, hint, key)
    if len(faults) > before:
        return None
    return FieldSource(
        name,
        kinds[0],
        given[kinds[0]],
        document.line(place),
        given.get("times", 1),
        given.get("format", ""),
        given.get("zone", ""),
    )


def _given_faults(spec: EventField, kind: Kind, given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    value = given[kind]
    if kind == "value":
        if problem := literal_problem(spec, value):
            yield problem, "", kind
    elif not isinstance(value, str) or not value.strip():
        yield f"'{kind}' is {value!r}, not a text", "put it in quotes" if value is not None else "", kind
    elif kind == "sql" and (problem := expression_problem(value)):
        yield problem, "an expression over the columns of one row, such as ROUND(price * 100)", kind
    times = given.get("times", 1)
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        yield f"times {times!r} is no whole number above 0", "100 turns yuan into fen", "times"
    elif "times" in given and (spec.type != "integer" or kind == "value"):
        yield "'times' is for integer fields from a column or sql", "", "times"


def _time_faults(spec: EventField, kind: Kind, given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    form, zone = given.get("format", ""), given.get("zone", "")
    if spec.type != "timestamp" or kind == "value":
        for key in ("format", "zone"):
            if key in given:
                yield f"'{key}' is for timestamp fields from a column or sql", "", key
        return
    if not isinstance(form, str) or ("format" in given and form not in NAMED_FORMATS and "%" not in form):
        yield (
            f"format {form!r} is none",
            f"one of {', '.join(NAMED_FORMATS)}, or a pattern such as %Y-%m-%d %H:%M:%S",
            "format",
        )
        return
    if not isinstance(zone, str) or ("zone" in given and zone not in available_timezones()):
        yield (
            f"'{zone}' is no IANA time zone",
            did_you_mean(str(zone), available_timezones()) or "such as Asia/Shanghai",
            "zone",
        )
    if form in NAMED_FORMATS:
        if "zone" in given:
            yield f"format {form} needs no zone", "drop 'zone'", "zone"
        return
    if form:
        yield from _pattern_faults(form, "zone" in given)


def _pattern_faults(form: str, has_zone: bool) -> Iterator[tuple[str, str, str]]:
    plain = form.replace("%%", "").replace("%.f", "%f").replace("%:z", "%z").replace("%#z", "%z").replace("%-", "%")
    for width in ("3", "6", "9"):
        plain = plain.replace(f"%.{width}f", "%f").replace(f"%{width}f", "%f")
    unknown = [f"%{part[:1]}" for part in plain.split("%")[1:] if part[:1] not in _DIRECTIVES or not part]
    if unknown:
        yield (
            f"format {form!r} has the unknown directive {', '.join(unknown)}",
            "such as %Y-%m-%d %H:%M:%S%.f",
            "format",
        )
    carries_zone = "%z" in plain
    if carries_zone and has_zone:
        yield f"format {form!r} reads the zone from the text", "drop 'zone'", "zone"
    if not carries_zone and not has_zone:
        yield f"format {form!r} says no zone", "add zone: Asia/Shanghai, or wherever the clock hung", "format"


def literal_problem(spec: EventField, value: Any) -> str:
    """Why a fixed value cannot be one of a field's, or ''."""
    fits: dict[str, tuple[type, ...]] = {
        "string": (str, int),
        "integer": (int,),
        "timestamp": (int,),
        "number": (int, float),
        "boolean": (bool,),
    }
    if not isinstance(value, fits[spec.type]) or (isinstance(value, bool) and spec.type != "boolean"):
        return f"value {value!r} is not of type {spec.type}"
    if spec.type in ("integer", "timestamp") and isinstance(value, int) and abs(value) >= 2**53:
        return f"value {value} is beyond 2^53 - 1"
    if spec.required and value == "":
        return "a required string must not be empty"
    if spec.values and str(value) not in spec.values:
        return f"value {value!r} is none of {', '.join(spec.values)}"
    return ""


def _columns(document: Document, given: Any, faults: list[Fault]) -> dict[str, str]:
    if not isinstance(given, dict):
        faults.append(
            Fault(
                document.file,
                document.line(("columns",)),
                "'columns' is no mapping",
                "write 'columns: {price: number}'",
            )
        )
        return {}
    for name, kind in given.items():
        if kind not in COLUMN_TYPES:
            faults.append(
                Fault(
                    document.file,
                    document.line(("columns", name)),
                    f"column '{name}': unknown type {kind!r}",
                    did_you_mean(str(kind), COLUMN_TYPES),
                )
            )
    return {name: kind for name, kind in given.items() if kind in COLUMN_TYPES}
