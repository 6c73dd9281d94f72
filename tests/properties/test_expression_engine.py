"""Whatever passes as an expression runs in the engine, on any data, and is there of the type that was promised."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from metric_defs.expressions import ExpressionError, parse_aggregate, parse_condition
from metric_defs.terms import COLUMN_TYPES
from tests.support.expressions import CONDITIONS, FIELDS, REAL, TEXTS, WHOLE

# a process of its own: the engine allows one connection in each
ENGINE = """
import json, sys, chdb
job = json.load(sys.stdin)
def run(query):
    try:
        return json.loads(str(chdb.query(query, "JSONCompactEachRow")).splitlines()[0])
    except Exception as exc:
        return str(exc)
json.dump([run(q) for q in job], sys.stdout)
"""
ROWS = (
    (0, 0, 0, 0.0, 0, "", "", "", "", 0, 0.0),
    (-(2**53) + 1, 2**53 - 1, 1_700_000_000_000, 1.5, 1, "paid", "s1", "a", "b", 7, -1e308),
    (12_345, -3, 1, -0.5, 1, "退款'\\", "%_", "\n", "🙂", -1, 1e308),
)


def literal(value: Any) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" if isinstance(value, str) else repr(value)


def engine(expressions: list[str]) -> list[Any]:
    """For each expression [types seen, rows], or the engine's complaint."""
    columns = ", ".join(f"`{name}` {COLUMN_TYPES[kind]}" for name, kind in FIELDS.items())
    rows = ", ".join(f"({', '.join(literal(v) for v in row)})" for row in ROWS)
    table = f"values({literal(columns)}, {rows})"
    queries = [f"SELECT any(toTypeName({e})), count() FROM {table} WHERE NOT ignore({e})" for e in expressions]
    done = subprocess.run(
        [sys.executable, "-c", ENGINE],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


@given(st.lists(CONDITIONS, min_size=10, max_size=10))
@settings(max_examples=4, deadline=None, phases=[Phase.generate])  # shrinking would start the engine each time
def test_an_allowed_condition_runs_in_the_engine(texts: list[str]) -> None:
    conditions = [parse_condition(t, FIELDS).sql for t in texts]
    for written, answer in zip(conditions, engine(conditions), strict=True):
        assert answer[0] in ("UInt8", "Bool"), (written, answer)
        assert int(answer[1]) == len(ROWS), (written, answer)


@given(st.lists(st.one_of(WHOLE, REAL, TEXTS), min_size=20, max_size=20))
@settings(max_examples=4, deadline=None, phases=[Phase.generate])  # shrinking would start the engine each time
def test_an_allowed_argument_runs_in_the_engine_and_has_the_promised_type(texts: list[str]) -> None:
    promised: list[tuple[str, str]] = []
    for text in texts:
        try:
            aggregate = parse_aggregate(f"uniqExact({text})", FIELDS)
        except ExpressionError as exc:
            raise AssertionError(f"{text} is meant to be allowed") from exc
        promised.append((aggregate.arguments[0], aggregate.types[0]))
    # the compiler converts to the promised type, so a lone literal or condition may be a smaller number here
    smaller = {
        "Int64": {"Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Int16", "Int32", "Int8", "Bool"},
        "UInt8": {"UInt8", "Bool"},
    }
    for (written, kind), answer in zip(promised, engine([p[0] for p in promised]), strict=True):
        assert answer[0] in smaller.get(kind, {kind}), (written, kind, answer)
        assert int(answer[1]) == len(ROWS), (written, answer)
