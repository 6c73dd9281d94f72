"""Measures and filters as text: parsed with sqlglot, held to the grammar and the event's fields, written anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from metric_defs.faults import did_you_mean
from metric_defs.grammar import Grammar
from metric_defs.models import FieldType
from metric_defs.terms import COLUMN_TYPES, ColumnType, ExpressionError, Term

__all__ = [
    "AGGREGATES",
    "COLUMN_TYPES",
    "MAX_LENGTH",
    "Aggregate",
    "ColumnType",
    "Condition",
    "ExpressionError",
    "parse_aggregate",
    "parse_condition",
]

AGGREGATES = ("count", "sum", "uniqExact", "uniqCombined64")
MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate call: function, its arguments as rendered SQL, their column types, the fields they read, and the
    text literals that fields are compared with."""

    function: str
    arguments: tuple[str, ...]
    types: tuple[ColumnType, ...]
    fields: frozenset[str]
    compared: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter as rendered SQL; empty text: always true."""

    sql: str
    fields: frozenset[str]
    compared: frozenset[tuple[str, str]] = frozenset()


def parse_aggregate(text: str, fields: Mapping[str, FieldType]) -> Aggregate:
    """Read ``count()``, ``sum(x)``, ``uniqExact(x, …)`` or ``uniqCombined64(x, …)``. Raises ExpressionError."""
    name, bracket, rest = text.strip().partition("(")
    name = name.strip()
    if not bracket or not rest.endswith(")"):
        raise ExpressionError(
            f"'{_short(text)}' is no aggregate call", f"write one of {', '.join(f'{a}(…)' for a in AGGREGATES)}"
        )
    if name not in AGGREGATES:
        raise ExpressionError(f"'{_short(name)}' is no aggregate of this registry", did_you_mean(name, AGGREGATES))
    inner = rest[:-1].strip()
    if name == "count":
        if inner:
            raise ExpressionError("count takes no argument here", "put the condition into 'filter'")
        return Aggregate(name, (), (), frozenset())
    if not inner:
        raise ExpressionError(f"{name} needs an argument", f"for instance {name}(user_id)")
    arguments = _parse(inner)
    terms = [Grammar(fields).term(a) for a in arguments]
    if name == "sum" and (len(terms) != 1 or terms[0].type == "String"):
        raise ExpressionError(f"sum needs one numeric argument, not {', '.join(t.type for t in terms)}")
    return Aggregate(
        name,
        tuple(t.sql for t in terms),
        tuple(_kept_as(name, t) for t in terms),
        _columns(arguments),
        _compared(arguments),
    )


def parse_condition(text: str, fields: Mapping[str, FieldType]) -> Condition:
    """Read a filter over the event's fields. Raises ExpressionError."""
    if not text.strip():
        return Condition("", frozenset())
    trees = _parse(text)
    if len(trees) != 1:
        raise ExpressionError(f"'{_short(text)}' is more than one expression", "join conditions with AND or OR")
    term = Grammar(fields).term(trees[0])
    if term.type != "UInt8":
        raise ExpressionError(f"'{_short(text)}' is no condition", "compare something, such as type = 'paid'")
    return Condition(term.sql, _columns(trees), _compared(trees))


def _kept_as(function: str, term: Term) -> ColumnType:
    return "Int64" if function == "sum" and term.type == "UInt8" else term.type


def _parse(text: str) -> list[exp.Expr]:
    """The expressions of a comma-separated list. A bracket that closes early or a further clause is an error."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression of {len(text)} characters is longer than {MAX_LENGTH}")
    try:
        trees = sqlglot.parse(f"SELECT {text}", dialect="clickhouse")
    except RecursionError:
        raise ExpressionError(f"'{_short(text)}' is nested too deeply") from None
    except SqlglotError as exc:
        raise ExpressionError(f"'{_short(text)}' is not SQL: {str(exc).splitlines()[0]}") from None
    except Exception as exc:  # on odd input the parser leaks errors of its own inside: they all mean the same
        raise ExpressionError(f"'{_short(text)}' is not SQL: {type(exc).__name__}") from None
    select = trees[0] if len(trees) == 1 else None
    if (
        not isinstance(select, exp.Select)
        or not select.expressions
        or any(v for k, v in select.args.items() if k != "expressions")
    ):
        raise ExpressionError(f"'{_short(text)}' is more than an expression")
    if any(node.comments for node in select.walk()):
        raise ExpressionError(f"'{_short(text)}' holds a comment", "put it into the YAML, behind a #")
    return list(select.expressions)


def _columns(trees: list[exp.Expr]) -> frozenset[str]:
    return frozenset(column.name for tree in trees for column in tree.find_all(exp.Column))


def _compared(trees: list[exp.Expr]) -> frozenset[tuple[str, str]]:
    """(field, text) wherever a field is compared for equality with a text literal."""
    found: set[tuple[str, str]] = set()
    for node in (n for tree in trees for n in tree.find_all(exp.EQ, exp.NEQ, exp.In)):
        sides = [
            s.unnest() for s in (node.this, *([node.expression] if not isinstance(node, exp.In) else node.expressions))
        ]
        texts = [s.name for s in sides if isinstance(s, exp.Literal) and s.is_string]
        found |= {(s.name, text) for s in sides if isinstance(s, exp.Column) for text in texts}
    return frozenset(found)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"
