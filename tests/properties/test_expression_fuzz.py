"""Any text either becomes an expression or is refused with ExpressionError; what is allowed survives being written."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from metric_defs.expressions import ExpressionError, parse_aggregate, parse_condition
from tests.support.expressions import CONDITIONS, FIELDS, REAL, TEXTS, WHOLE, quoted

WORDS = [
    *FIELDS, *"()+-*/%=<>,.;'\"`[]{}?:@#$\\|&!~^ \n\t\0", "'a'", "1", "0", "1.5", "1e9", "0x1F", "AND", "OR", "NOT",
    "IN", "LIKE", "BETWEEN",
    "CASE", "WHEN", "THEN", "END", "SELECT", "FROM", "WHERE", "UNION", "ALL", "DISTINCT", "NULL", "IS", "AS", "CAST",
    "INTERVAL", "DAY",
    "if(", "greatest(", "intDiv(", "toInt64(", "concat(", "lower(", "abs(", "sum(", "count()", "--", "/*", "*/", "::",
    "->", "EXISTS", "ESCAPE",
    "GLOBAL", "SETTINGS", "FORMAT", "LIMIT", "OVER", "true", "🙂", "中", "\ud800",
]  # fmt: skip
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=14).map("".join),
)


@given(TEXT)
@settings(max_examples=600, deadline=None)
def test_any_text_is_a_condition_or_is_refused(text: str) -> None:
    try:
        condition = parse_condition(text, FIELDS)
    except ExpressionError:
        return
    assert parse_condition(condition.sql, FIELDS) == condition
    assert condition.fields <= set(FIELDS)


@given(TEXT, st.sampled_from(["sum(", "uniqExact(", "uniqCombined64(", "count(", ""]), st.sampled_from([")", ""]))
@settings(max_examples=600, deadline=None)
def test_any_text_is_an_aggregate_or_is_refused(text: str, start: str, end: str) -> None:
    try:
        aggregate = parse_aggregate(start + text + end, FIELDS)
    except ExpressionError:
        return
    assert parse_aggregate(f"{aggregate.function}({', '.join(aggregate.arguments)})", FIELDS) == aggregate
    assert len(aggregate.arguments) == len(aggregate.types)


@given(CONDITIONS)
@settings(max_examples=300, deadline=None)
def test_an_allowed_condition_survives_being_written(text: str) -> None:
    condition = parse_condition(text, FIELDS)
    assert parse_condition(condition.sql, FIELDS) == condition


@given(st.one_of(WHOLE, REAL), TEXTS)
@settings(max_examples=200, deadline=None)
def test_an_allowed_aggregate_survives_being_written(number: str, text: str) -> None:
    for function, argument in (("sum", number), ("uniqExact", f"{number}, {text}"), ("uniqCombined64", text)):
        aggregate = parse_aggregate(f"{function}({argument})", FIELDS)
        assert parse_aggregate(f"{function}({', '.join(aggregate.arguments)})", FIELDS) == aggregate


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
@settings(max_examples=300, deadline=None)
def test_a_text_literal_survives_whatever_it_holds(text: str) -> None:
    condition = parse_condition(f"kind = {quoted(text)}", FIELDS)
    assert condition.compared == {("kind", text)}
    assert parse_condition(condition.sql, FIELDS).compared == {("kind", text)}


@given(st.text("'\\\"`%_- ;a", max_size=12))
@settings(max_examples=300, deadline=None)
def test_quotes_and_backslashes_never_leave_the_literal(text: str) -> None:
    condition = parse_condition(f"kind = {quoted(text)}", FIELDS)
    assert condition.compared == {("kind", text)}
    body = condition.sql.removeprefix("kind = '").removesuffix("'").replace("\\\\", "").replace("\\'", "")
    assert "'" not in body
    assert "\\" not in body
