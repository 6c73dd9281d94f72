"""Parts of an expression as they are written for the engine, and how parts of different types come together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from metric_defs.models import MAX_INTEGER, FieldType

ColumnType = str
"""A ClickHouse type: String, Int64, Float64 or UInt8."""

COLUMN_TYPES: Mapping[FieldType, ColumnType] = {
    "string": "String",
    "integer": "Int64",
    "timestamp": "Int64",
    "number": "Float64",
    "boolean": "UInt8",
}
_UINT32 = 2**32


class ExpressionError(ValueError):
    """An expression that may not be used; the message says what and the hint what is allowed."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Term:
    """A part of an expression, written. ``wide``: the engine gives it just this type; a literal 1 is UInt8 to it."""

    sql: str
    type: ColumnType
    wide: bool = True
    atom: bool = True
    literal: bool = False

    @property
    def operand(self) -> str:
        """In brackets where it would not hold together beside a sign."""
        return self.sql if self.atom else f"({self.sql})"


def shown(node: exp.Expr) -> str:
    """A node as text for a message."""
    if isinstance(node, exp.Anonymous):
        return str(node.name)
    try:
        text = node.sql(dialect="clickhouse", comments=False)
    except Exception:  # a message must not fail for want of a nice quotation
        text = type(node).__name__
    return text if len(text) <= 60 else f"{text[:57]}…"


def literal(node: exp.Expr) -> Term:
    """Text or a number, checked and quoted anew. Raises ExpressionError."""
    text = node.name
    if node.is_string:
        if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in text):
            raise ExpressionError("a text literal holds a control character")
        return Term("'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'", "String", literal=True)
    if re.fullmatch("[0-9]+", text):
        if len(text) > 16 or int(text) > MAX_INTEGER:
            raise ExpressionError(f"'{text[:40]}' is greater than {MAX_INTEGER}")
        return Term(str(int(text)), "Int64", wide=False, literal=True)
    if not re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text) or not math.isfinite(float(text)):
        raise ExpressionError(f"'{text[:40]}' is no number")
    return Term(repr(float(text)), "Float64", literal=True)


def widen(terms: list[Term]) -> list[Term]:
    """At least one of whole numbers becomes Int64 to the engine too, and with it what is made of them."""
    if any(t.wide and t.type == "Int64" for t in terms):
        return terms
    return [replace(terms[0], sql=to_int64(terms[0].sql, terms[0].atom), wide=True, atom=True), *terms[1:]]


def to_int64(sql: str, atom: bool) -> str:
    """A whole number as Int64; once is enough."""
    return sql if atom and sql.startswith("toInt64(") else f"toInt64({sql})"


def common(terms: list[Term], whole: exp.Expr) -> tuple[list[Term], ColumnType]:
    """Make alternatives of one type. The engine would mix fractions, signed and unsigned numbers in its own ways."""
    kinds = {t.type for t in terms}
    if "String" in kinds:
        if kinds != {"String"}:
            raise ExpressionError(f"'{shown(whole)}' mixes text with numbers")
        return terms, "String"
    if "Float64" in kinds:
        if any(t.type == "Int64" and not t.literal for t in terms):
            raise ExpressionError(
                f"'{shown(whole)}' mixes whole numbers with fractions", "write '* 1.0' behind the whole number"
            )
        return [replace(t, sql=f"{t.sql}.0") if t.type == "Int64" else t for t in terms], "Float64"
    big = [
        replace(t, sql=f"toInt64({t.sql})", wide=True, atom=True) if t.literal and abs(int(t.sql)) >= _UINT32 else t
        for t in terms
    ]
    return widen(big), "Int64"
