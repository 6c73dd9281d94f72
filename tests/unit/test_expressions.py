"""What may stand in a measure's expression and filter, how it is written for the engine, and what is refused."""

from __future__ import annotations

import pytest

from metric_defs.expressions import MAX_LENGTH, ExpressionError, parse_aggregate, parse_condition
from tests.support.expressions import FIELDS, INJECTIONS


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("kind = 'paid'", "kind = 'paid'"),
        ("kind == 'paid'", "kind = 'paid'"),
        ("kind!='paid'AND cents>0", "(kind <> 'paid') AND (cents > 0)"),
        ("gift", "gift"),
        ("NOT gift AND cents = 1 OR pieces < 2", "((NOT gift) AND (cents = 1)) OR (pieces < 2)"),
        ("gift AND gift AND gift", "gift AND gift AND gift"),
        ("kind IN ('a', 'b')", "kind IN ('a', 'b')"),
        ("kind NOT IN ('a')", "NOT (kind IN ('a'))"),
        ("cents IN (-1, 2)", "cents IN (-1, 2)"),
        ("kind NOT LIKE '%a'", "NOT (kind LIKE '%a')"),
        ("cents BETWEEN 1 AND pieces + 1", "cents BETWEEN 1 AND (pieces + 1)"),
        ("cents NOT BETWEEN 1 AND 2", "NOT (cents BETWEEN 1 AND 2)"),
        ("TRUE", "true"),
        ("\"from\" = 'x'", "\"from\" = 'x'"),
        ("`from` = 'x'", "\"from\" = 'x'"),
        ("-cents < 0", "(-cents) < 0"),
        ("cents % 10 = 0", "modulo(cents, 10) = 0"),
        ("lower(kind) = upper('x')", "lower(kind) = upper('x')"),
        ("concat(kind, '-', shop) = 'a-b'", "concat(kind, '-', shop) = 'a-b'"),
        ("if(gift, kind, shop) = 'x'", "if(gift, kind, shop) = 'x'"),
        ("weight > .5", "weight > 0.5"),
        ("weight > 1e3", "weight > 1000.0"),
        ("kind = 'it''s'", r"kind = 'it\'s'"),
        (r"kind = 'it\'s'", r"kind = 'it\'s'"),
        (r"kind = 'a\\'", r"kind = 'a\\'"),
        ("kind = '中文🙂'", "kind = '中文🙂'"),
        ("  ", ""),
    ],
)
def test_a_condition_is_written_anew(text: str, written: str) -> None:
    condition = parse_condition(text, FIELDS)
    assert condition.sql == written
    assert parse_condition(written, FIELDS) == condition


@pytest.mark.parametrize(
    ("text", "arguments", "types"),
    [
        ("count()", (), ()),
        (" count ( ) ", (), ()),
        ("sum(cents)", ("cents",), ("Int64",)),
        ("sum(gift)", ("gift",), ("Int64",)),
        ("sum(weight)", ("weight",), ("Float64",)),
        ("sum(cents * weight)", ("cents * weight",), ("Float64",)),
        ("sum(if(kind = 'refund', -cents, cents))", ("if(kind = 'refund', -cents, cents)",), ("Int64",)),
        ("sum(abs(cents))", ("toInt64(abs(cents))",), ("Int64",)),
        ("sum(abs(weight))", ("abs(weight)",), ("Float64",)),
        ("sum(greatest(weight, 0))", ("greatest(weight, 0.0)",), ("Float64",)),
        ("sum(least(cents, 5000000000))", ("least(cents, toInt64(5000000000))",), ("Int64",)),
        ("sum(gift + 1)", ("toInt64(gift) + 1",), ("Int64",)),
        ("uniqExact(shop)", ("shop",), ("String",)),
        ("uniqExact(shop, cents, gift)", ("shop", "cents", "gift"), ("String", "Int64", "UInt8")),
        ("uniqCombined64(lower(kind))", ("lower(kind)",), ("String",)),
        ("uniqExact(')')", ("')'",), ("String",)),
    ],
)
def test_an_aggregate_has_arguments_and_types(text: str, arguments: tuple[str, ...], types: tuple[str, ...]) -> None:
    aggregate = parse_aggregate(text, FIELDS)
    assert (aggregate.arguments, aggregate.types) == (arguments, types)
    assert parse_aggregate(f"{aggregate.function}({', '.join(arguments)})", FIELDS) == aggregate


def test_an_expression_knows_its_fields_and_what_they_are_compared_with() -> None:
    condition = parse_condition("kind = 'a' AND shop IN ('b', 'c') AND 'd' != (\"from\") AND cents > 1", FIELDS)
    assert condition.fields == {"kind", "shop", "from", "cents"}
    assert condition.compared == {("kind", "a"), ("shop", "b"), ("shop", "c"), ("from", "d")}
    assert parse_aggregate("sum(if(kind = 'x', 1, cents))", FIELDS).compared == {("kind", "x")}


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_condition(text, FIELDS)
    for wrapped in (
        f"uniqExact({text})",
        f"sum({text})",
        f"sum(cents), {text}",
        f"count({text})",
        f"sum(cents) {text})",
    ):
        with pytest.raises(ExpressionError):
            parse_aggregate(wrapped, FIELDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no aggregate call"),
        ("cents", "is no aggregate call"),
        ("sum(cents", "is no aggregate call"),
        ("avg(cents)", "'avg' is no aggregate of this registry"),
        ("SUM(cents)", "'SUM' is no aggregate of this registry"),
        ("sumIf(cents, gift)", "'sumIf' is no aggregate of this registry"),
        ("count(cents)", "count takes no argument here"),
        ("count(*)", "count takes no argument here"),
        ("sum()", "sum needs an argument"),
        ("uniqExact( )", "uniqExact needs an argument"),
        ("sum(cents, pieces)", "sum needs one numeric argument, not Int64, Int64"),
        ("sum(kind)", "sum needs one numeric argument, not String"),
        ("sum(DISTINCT cents)", "is more than an expression"),
        ("sum(cents) + sum(pieces)", "is not SQL"),
        ("sum(sum(cents))", "is not allowed in an expression"),
        ("sum(cents) FILTER (WHERE gift)", "is not SQL"),
        ("sum(centz)", "'centz' is no field of the event"),
        ("sum(Cents)", "'Cents' is no field of the event"),
        ("sum(cents + kind)", "'cents + kind' reckons with text"),
        ("sum(9007199254740992)", "is greater than 9007199254740991"),
        ("sum(if(gift, cents, weight))", "mixes whole numbers with fractions"),
        ("sum(if(gift, cents, kind))", "mixes text with numbers"),
        ("sum(if(cents, 1, 2))", "is no condition"),
        ("sum(if(gift, 1))", "takes a condition and two values"),
        ("sum(greatest(weight, cents))", "mixes whole numbers with fractions"),
        ("sum(intDiv(cents))", "'intDiv' takes two arguments"),
        ("sum(intDiv(cents, pieces))", "takes a whole number and a literal above 0"),
        ("sum(intDiv(cents, -1))", "takes a whole number and a literal above 0"),
        ("sum(intDiv(weight, 2))", "takes a whole number and a literal above 0"),
        ("sum(toInt64(weight))", "toInt64 takes whole numbers"),
        ("sum(toInt64(cents, 1))", "'toInt64' takes one argument"),
        ("sum(1e999)", "is no number"),
        ("sum(" + "cents + " * 30 + "1)", "is nested deeper than 20"),
        ("sum(" + "(" * 400 + "cents" + ")" * 400 + ")", "is nested too deeply"),
        ("sum(cents" + " " * MAX_LENGTH + "+ 1)", "longer than 2000"),
    ],
)  # fmt: skip
def test_a_wrong_aggregate_is_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_aggregate(text, FIELDS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind", "is no condition"),
        ("cents", "is no condition"),
        ("cents AND gift", "'cents' in 'cents AND gift' is no condition"),
        ("NOT kind", "'kind' in 'NOT kind' is no condition"),
        ("kind = 1", "mixes text with numbers"),
        ("cents < 'a'", "mixes text with numbers"),
        ("cents BETWEEN 'a' AND 'b'", "mixes text with numbers"),
        ("kind IN (1)", "mixes text with numbers"),
        ("kind IN ('a', 1)", "mixes text with numbers"),
        ("cents IN (1.5)", "looks for a fraction among whole numbers"),
        ("kind IN ()", "IN takes a list of literals"),
        ("kind IN (lower('a'))", "IN takes a list of literals"),
        ("kind GLOBAL IN ('a')", "says more than is allowed"),
        ("kind LIKE shop", "LIKE takes a pattern in quotes"),
        (r"kind LIKE 'a\\'", "ends in no lone backslash"),
        ("kind ILIKE 'a'", "is not allowed in an expression"),
        ("lower(cents) = 'a'", "takes text only"),
        ("kind = 'a\tb'", "control character"),
        (r"kind = 'a\0b'", "control character"),
        ("kind = 'a', gift", "is more than one expression"),
        ("kind = 'a", "is not SQL"),
        ("kind = = 'a'", "is not SQL"),
        (")(", "is not SQL"),
        ("NOT " * 400 + "gift", "nested"),
        ("gift OR " * 260 + "gift", "longer than 2000"),
    ],
)
def test_a_wrong_condition_is_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, FIELDS)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_long_chain_of_conditions_is_no_deep_nesting() -> None:
    assert parse_condition("gift OR " * 240 + "gift", FIELDS).sql.count(" OR ") == 240


def test_a_quote_behind_a_backslash_does_not_end_the_literal() -> None:
    assert parse_condition(r"kind = 'x\' OR 1 = 1 --'", FIELDS).compared == {("kind", "x' OR 1 = 1 --")}
