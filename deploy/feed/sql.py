"""Expressions over the columns of one row, in polars' SQL: checked, typed, and no bad row harms another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl
import sqlglot
from polars.exceptions import PolarsError
from sqlglot import exp
from sqlglot.errors import SqlglotError

ROW = "__row"
_MOST = 0.9
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_TYPES: Mapping[str, type[pl.DataType]] = {
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "string": pl.String,
}
_PATTERNS: Mapping[str, str] = {
    "integer": r"^\s*[+-]?\d+\s*$",
    "number": r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$",
    "boolean": r"^(?i)(true|false)$",
}


def expression_problem(text: str) -> str:
    """Why ``text`` is no expression over one row, or ''. Unknown functions are found when it is tried on columns."""
    try:
        tree = sqlglot.parse_one(text, read="postgres")
    except SqlglotError as exc:
        return "sql is no expression: " + _ANSI.sub("", str(exc)).splitlines()[0].rstrip(".")
    if not isinstance(tree, exp.Condition | exp.Func | exp.Paren | exp.Column | exp.Literal):
        return "sql is no single expression"
    if found := next(tree.find_all(exp.AggFunc, exp.Window, exp.Query), None):
        return f"sql looks beyond its row ({found.sql()})"
    return ""


def columns_of(text: str) -> tuple[str, ...]:
    """Columns an expression reads, in order of first use."""
    tree = sqlglot.parse_one(text, read="postgres")
    return tuple(dict.fromkeys(str(c.name) for c in tree.find_all(exp.Column)))


def trial_problem(text: str, schema: Mapping[str, pl.DataType]) -> str:
    """Why an expression cannot be evaluated over columns of these types, or ''."""
    try:
        _select(pl.DataFrame(schema=dict(schema)).with_row_index(ROW), (text,))
    except (PolarsError, pl.exceptions.PanicException) as exc:
        return _first_line(exc)
    return ""


def infer_types(frame: pl.DataFrame, columns: Sequence[str], declared: Mapping[str, str]) -> dict[str, str]:
    """Types of text columns: as declared, else what nine in ten of the values are. Codes such as '007' stay text."""
    return {c: declared.get(c) or _infer(frame[c]) for c in columns}


def typed(frame: pl.DataFrame, types: Mapping[str, str]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Text columns as columns of their types, and a problem for each row (index) whose text is not of the type."""
    result = frame.select(_as_type(pl.col(c), kind) for c, kind in types.items()) if types else frame.select()
    problems: dict[int, str] = {}
    for column, kind in types.items():
        bad = frame[column].is_not_null() & (frame[column] != "") & result[column].is_null()
        for index in bad.arg_true():
            problems.setdefault(
                index,
                f"column '{column}': '{frame[column][index]}' is no {kind}, as which 'sql' reads it "
                f"(another type: columns: {{{column}: string}})",
            )
    return result, problems


def evaluate(frame: pl.DataFrame, texts: Sequence[str]) -> tuple[pl.DataFrame, dict[int, str]]:
    """Values of the expressions as columns ``s0, s1, …``, and the problem of each row (index) that cannot be evaluated.

    When a cast fails, the frame is halved until the rows at fault stand alone; theirs are null.
    """
    indexed = frame.with_row_index(ROW)
    empty = _select(indexed.clear(), texts)
    problems: dict[int, str] = {}

    def rows(part: pl.DataFrame) -> list[pl.DataFrame]:
        try:
            return [_select(part, texts)]
        except (PolarsError, pl.exceptions.PanicException) as exc:
            if part.height <= 1:
                problems[part[ROW][0]] = f"sql: {_first_line(exc)}"
                return [pl.DataFrame({name: [None] for name in empty.columns}, schema=empty.schema)]
            half = part.height // 2
            return rows(part.slice(0, half)) + rows(part.slice(half))

    return pl.concat([empty, *rows(indexed)], how="vertical_relaxed"), problems


def _select(frame: pl.DataFrame, texts: Sequence[str]) -> pl.DataFrame:
    # the new line ends a comment in the expression; the row index makes a constant as long as the frame
    chosen = "".join(f', ({text}\n) AS "s{i}"' for i, text in enumerate(texts))
    return frame.sql(f'SELECT "{ROW}"{chosen} FROM "rows"', table_name="rows").drop(ROW)


def _infer(values: pl.Series) -> str:
    given = values.drop_nulls()
    given = given.filter(given != "")
    if given.is_empty() or given.str.contains(r"^\s*0\d").any():
        return "string"
    share = {kind: int(given.str.contains(pattern).sum()) / len(given) for kind, pattern in _PATTERNS.items()}
    if share["number"] >= _MOST:  # whole numbers with a few fractions among them are numbers
        return "integer" if share["integer"] == share["number"] else "number"
    return "boolean" if share["boolean"] >= _MOST else "string"


def _as_type(column: pl.Expr, kind: str) -> pl.Expr:
    if kind == "string":
        return column
    if kind == "boolean":
        return column.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
    return column.str.strip_chars().cast(_TYPES[kind], strict=False)


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
