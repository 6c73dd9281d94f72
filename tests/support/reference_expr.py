"""Measures' expressions, reckoned in plain Python over one event's fields, for the reference.

It shares only the grammar (sqlglot's ClickHouse dialect) with the compiler. True is 1 and false 0, as in ClickHouse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import sqlglot
from sqlglot import exp

from tests.support.reference_fields import Value, text_of

_ARITHMETIC: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: lambda a, b: a + b, exp.Sub: lambda a, b: a - b, exp.Mul: lambda a, b: a * b,
    exp.EQ: lambda a, b: int(a == b), exp.NEQ: lambda a, b: int(a != b),
    exp.LT: lambda a, b: int(a < b), exp.LTE: lambda a, b: int(a <= b),
    exp.GT: lambda a, b: int(a > b), exp.GTE: lambda a, b: int(a >= b),
    exp.And: lambda a, b: int(bool(a) and bool(b)), exp.Or: lambda a, b: int(bool(a) or bool(b)),
    exp.Like: lambda a, b: int(like(a, b)),
}
_UNARY: dict[type[exp.Expression], Callable[[Any], Any]] = {
    exp.Paren: lambda a: a, exp.Neg: lambda a: -a, exp.Abs: abs, exp.Not: lambda a: int(not a),
    # ClickHouse's lower and upper touch ASCII letters alone
    exp.Lower: lambda a: re.sub("[A-Z]", lambda m: m[0].lower(), a),
    exp.Upper: lambda a: re.sub("[a-z]", lambda m: m[0].upper(), a),
}


@cache
def parse_list(text: str) -> tuple[exp.Expression, ...]:
    """The expressions of a comma-separated list."""
    return tuple(sqlglot.parse_one(f"SELECT {text}", dialect="clickhouse").expressions) if text.strip() else ()


def split_aggregate(text: str) -> tuple[str, tuple[exp.Expression, ...]]:
    """``sum(a + b)`` → ('sum', [a + b])."""
    name, _, rest = text.strip().partition("(")
    return name.strip(), parse_list(rest.removesuffix(")"))


def evaluate(node: exp.Expression, fields: Mapping[str, Value]) -> Any:
    """The value of an expression for one event. Raises NotImplementedError for a node the registry does not allow."""
    value = _evaluate(node, fields)
    # 'NOT LIKE' is a Like that says so in an argument of its own
    return int(not value) if node.args.get("negate") else value


def _evaluate(node: exp.Expression, fields: Mapping[str, Value]) -> Any:
    def of(child: Any) -> Any:
        return evaluate(child, fields)

    kind = type(node)
    if kind in _ARITHMETIC:
        return _ARITHMETIC[kind](of(node.this), of(node.expression))
    if kind in _UNARY:
        return _UNARY[kind](of(node.this))
    if isinstance(node, exp.Column):
        return fields[node.name]
    if isinstance(node, exp.Boolean):
        return int(node.this)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return node.name
        return int(node.name) if node.name.isdigit() else float(node.name)
    if isinstance(node, exp.In):
        return int(of(node.this) in [of(option) for option in node.expressions])
    if isinstance(node, exp.Between):
        return int(of(node.args["low"]) <= of(node.this) <= of(node.args["high"]))
    if isinstance(node, exp.If):
        return of(node.args["true"]) if of(node.this) else of(node.args["false"])
    if isinstance(node, exp.Tuple):
        return tuple(of(child) for child in node.expressions)
    if isinstance(node, exp.Concat):
        return "".join(text_of(of(child)) for child in node.expressions)
    if isinstance(node, (exp.Greatest, exp.Least)):
        return (max if isinstance(node, exp.Greatest) else min)(of(child) for child in (node.this, *node.expressions))
    if isinstance(node, (exp.Anonymous, exp.IntDiv, exp.Mod)):
        return _integer_function(node, of)
    raise NotImplementedError(f"the reference does not know {node!r}")


def _integer_function(node: exp.Expression, of: Callable[[Any], Any]) -> int:
    """intDiv and modulo cut towards zero, as in C. Raises ZeroDivisionError."""
    parts = node.expressions if isinstance(node, exp.Anonymous) else [node.this, node.expression]
    left, right = (of(part) for part in parts)
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    if isinstance(node, exp.IntDiv) or node.name == "intDiv":
        return int(quotient)
    if isinstance(node, exp.Mod) or node.name == "modulo":
        return int(left - quotient * right)
    raise NotImplementedError(f"the reference does not know {node.name}")


def like(text: str, pattern: str) -> bool:
    """SQL's LIKE on the whole text: % any run, _ one character, a backslash takes the next one literally."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    shape = reduce(lambda done, p: done + wild.get(p, re.escape(p[-1])), parts, "")
    return re.fullmatch(shape, text, re.DOTALL) is not None
