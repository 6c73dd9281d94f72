"""The oracle's own reckoning of expressions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.reference_expr import evaluate, parse_list, split_aggregate
from tests.support.reference_fields import float_text

FIELDS: dict[str, Any] = {"a": 7, "b": -2, "x": 1.5, "s": "Tee ÄÖ", "t": "50%_\n", "flag": 1}


@pytest.mark.parametrize(("text", "value"), [
    ("a + b * 3 - 1", 0), ("-(a - b)", -9), ("intDiv(a, b)", -3), ("intDiv(-7, 2)", -3), ("modulo(a, b)", 1),
    ("modulo(-7, 2)", -1), ("a * x", 10.5), ("abs(b)", 2),
    ("greatest(a, b, 9)", 9), ("least(a, b)", -2), ("if(a > 5, 'many', 'few')", "many"),
    ("if(flag AND a < 0, a, b)", -2), ("lower(s)", "tee ÄÖ"), ("upper(s)", "TEE ÄÖ"),
    ("concat(s, '-', a)", "Tee ÄÖ-7"), ("a = 7", 1), ("a <> 7", 0), ("a >= 7 AND NOT b > 0", 1),
    ("a IN (1, -2, 7)", 1), ("a NOT IN (1, 7)", 0), ("s IN ('x')", 0), ("a BETWEEN 7 AND 8", 1),
    ("a NOT BETWEEN 7 AND 8", 0), ("s LIKE 'Tee%'", 1), ("s LIKE 'tee%'", 0), ("s LIKE '% Ä_'", 1),
    ("s NOT LIKE '%Ä'", 1), ("t LIKE '50\\\\%\\\\_%'", 1), ("s LIKE 'Tee'", 0),
    ("true OR a = 0", 1), ("(a, s) IN ((7, 'Tee ÄÖ'), (1, 'x'))", 1), ("1 = 1 AND x < 2", 1), ("s > 'Tea'", 1),
])
def test_expressions_have_the_value_worked_out_by_hand(text: str, value: Any) -> None:
    (tree,) = parse_list(text)
    assert evaluate(tree, FIELDS) == value


def test_aggregates_are_split_into_name_and_arguments() -> None:
    name, arguments = split_aggregate(" uniqExact(a, concat(s, ')')) ")
    assert (name, [evaluate(x, FIELDS) for x in arguments]) == ("uniqExact", [7, "Tee ÄÖ)"])
    assert split_aggregate("count()") == ("count", ())


def test_what_the_registry_does_not_allow_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        evaluate(parse_list("sqrt(a)")[0], FIELDS)


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-2.5, "-2.5"), (0.1, "0.1"), (1234.5678, "1234.5678"),
    (1e15, "1000000000000000"), (1e20, "100000000000000000000"),
    (1.2345e22, "1.2345e22"), (1e-6, "0.000001"), (1.5e-7, "1.5e-7"), (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e308"),
])
def test_floats_are_written_in_their_shortest_digits(value: float, text: str) -> None:
    assert float_text(value) == text
    assert float(text) == value
