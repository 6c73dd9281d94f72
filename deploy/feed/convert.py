"""From a column of any type to a field's type: for each row its value, or what is wrong with it."""

from __future__ import annotations

import polars as pl

from deploy.feed.mapping import FieldSource
from metric_defs.models import EventField

MAX_WHOLE = 2**53 - 1
EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z: an earlier event time would be a dead letter, and is mostly a wrong 'format'."""

Parts = tuple[pl.Expr, pl.Expr]
"""The value and the problem (a text, or null), per row."""


def field_parts(column: str, kind: pl.DataType, spec: EventField, source: FieldSource, is_event_time: bool) -> Parts:
    """Expressions over a frame with ``column`` of type ``kind``."""
    raw = pl.col(column)
    if kind == pl.String and spec.type != "string":
        raw = raw.str.strip_chars()
        raw = pl.when(raw != "").then(raw)
    match spec.type:
        case "string":
            value = raw.cast(pl.String)
            broken = pl.lit(False)
            what = "text"
        case "integer":
            value = _whole(raw, kind, source.times)
            broken = raw.is_not_null() & value.is_null()
            what = "whole number up to 2^53 - 1" if source.times == 1 else "number"
        case "timestamp":
            value = time_ms(raw, kind, source)
            broken = raw.is_not_null() & value.is_null()
            what = f"time ({source.format or 'epoch_ms'})"
        case "number":
            value = raw.cast(pl.Float64, strict=False)
            value = pl.when(value.is_finite()).then(value)
            broken = raw.is_not_null() & value.is_null()
            what = "number"
        case "boolean":
            value = _truth(raw, kind)
            broken = raw.is_not_null() & value.is_null()
            what = "true or false"
    named = pl.lit(f"field '{source.field}': ")
    text = raw.cast(pl.String, strict=False).fill_null("?").str.slice(0, 100)
    checks = [pl.when(broken).then(pl.concat_str([named, pl.lit("'"), text, pl.lit(f"' is no {what}")]))]
    if spec.required:
        absent = value.is_null() | (value == "") if spec.type == "string" else value.is_null()
        checks.append(pl.when(absent).then(pl.concat_str([named, pl.lit("is required and empty")])))
    if spec.values:
        unknown = value.is_not_null() & ~value.is_in(list(spec.values))
        checks.append(
            pl.when(unknown).then(
                pl.concat_str([named, pl.lit("'"), text, pl.lit(f"' is none of {', '.join(spec.values)}")])
            )
        )
    if is_event_time:
        checks.append(
            pl.when(value < EARLIEST_MS).then(
                pl.concat_str([named, pl.lit("'"), text, pl.lit("' is before the year 2000; is the format right?")])
            )
        )
    return value, pl.coalesce(checks)


def _whole(raw: pl.Expr, kind: pl.DataType, times: int) -> pl.Expr:
    if times != 1:
        # 1.005 * 100 is 100.49999999999999 in floats: six digits first, then the half
        scaled = (raw.cast(pl.Float64, strict=False) * times).round(6).round(0, mode="half_away_from_zero")
        return pl.when(scaled.abs() <= MAX_WHOLE).then(scaled).cast(pl.Int64, strict=False)
    if kind == pl.String:
        digits = pl.when(raw.str.contains(r"^-?\d+$")).then(raw)
        value = (
            pl.when(raw == "true").then(1).when(raw == "false").then(0).otherwise(digits.cast(pl.Int64, strict=False))
        )
    elif kind.is_float() or kind.is_decimal():
        number = raw.cast(pl.Float64)
        value = pl.when(number == number.floor()).then(number).cast(pl.Int64, strict=False)
    elif kind.is_integer() or kind == pl.Boolean:
        value = raw.cast(pl.Int64, strict=False)
    else:
        return pl.lit(None, dtype=pl.Int64)
    return pl.when(value.abs() <= MAX_WHOLE).then(value)


def _truth(raw: pl.Expr, kind: pl.DataType) -> pl.Expr:
    text = raw.cast(pl.String, strict=False).str.to_lowercase()
    return text.replace_strict(
        {"true": True, "false": False, "1": True, "0": False}, default=None, return_dtype=pl.Boolean
    )


def time_ms(raw: pl.Expr, kind: pl.DataType, source: FieldSource) -> pl.Expr:
    """Epoch ms of a column of times, texts or numbers; null where it cannot be read."""
    if isinstance(kind, pl.Datetime | pl.Date):
        moment = raw.cast(pl.Datetime("ms", getattr(kind, "time_zone", None)))
        if isinstance(kind, pl.Date) or kind.time_zone is None:
            moment = _in_zone(moment, source.zone)
        return moment.dt.epoch("ms")
    if source.format in ("", "epoch_ms"):
        return _whole(raw, kind, 1)
    if source.format == "epoch_s":
        return _whole(raw, kind, 1000)
    text = raw.cast(pl.String, strict=False)
    if source.format == "rfc3339":
        return text.str.to_datetime("%+", strict=False, time_unit="ms", time_zone="UTC").dt.epoch("ms")
    if not source.zone:  # the pattern itself reads an offset
        return text.str.to_datetime(source.format, strict=False, time_unit="ms", time_zone="UTC").dt.epoch("ms")
    return _in_zone(text.str.to_datetime(source.format, strict=False, time_unit="ms"), source.zone).dt.epoch("ms")


def _in_zone(moment: pl.Expr, zone: str) -> pl.Expr:
    return moment.dt.replace_time_zone(zone or "UTC", ambiguous="earliest", non_existent="null")
