"""Hypothesis strategies for single values of an event's fields, as JSON text: good ones and unreadable ones."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from metric_defs.models import EventField

MAX_INTEGER = 2**53 - 1

_UNICODE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_NAMES = st.sampled_from([
    "a", "b", "A", "s-1", "奶茶A", "茶叶", "直播间🛒", 'quo"te', "back\\slash", "tab\tnew\nline", "é", "e\u0301", " ",
    "\u0000",
])
_IDS = st.one_of(st.integers(0, 5).map(str), st.integers(0, 5).map(lambda n: json.dumps(str(n))))
_LITERALS = st.sampled_from([
    "true", "false", "1.50", "2.0", "1e3", "-12", "18446744073709551615", "-9223372036854775808",
    "9" * 25, "-18446744073709551616", "9" * 310, '[1,2,"x"]',
    '{"a":{"b":[]}}',
])

_INTEGERS = st.one_of(
    st.integers(-500, 500).map(str),
    st.integers(-MAX_INTEGER, MAX_INTEGER).map(str),
    st.sampled_from([
        str(MAX_INTEGER), str(-MAX_INTEGER), f'"{MAX_INTEGER}"', f'"-{MAX_INTEGER}"', "0", "true", "false", "12.0",
        "1e3", "-2.5e1", "100E-2", '"12"', '"+5"', '"007"', '"-3"', '"1e3"', '"5."', '"5.0"', '"2.5e1"', '"0"',
    ]),
)
_NO_INTEGERS = st.sampled_from([
    "1.5", "-0.5", "1e-1", '"1.5"', '".5"', '""', '" 12"', '"12 "', '"0x10"', '"1_000"', '"1,000"', '"nan"', '"inf"',
    '"Infinity"', '"true"', '"twelve"', '"-"', '"+"', '"."', '"1e"', '"e5"', '"--1"',
    '"１２"', '"1e999"', '"12\\u0000"', "[]", "[1]", "{}", str(2**53), str(-(2**53)), f'"{2**53}"', f'"-{2**53}"',
    str(2**63), str(2**64), "1e16", "-1e300", "1" * 20, "9" * 40, "9" * 400,
])
# sums of these are exact in any order: multiples of 1/8 far below 2^53
_NUMBERS = st.one_of(
    st.integers(-80_000, 80_000).map(lambda n: repr(n / 8)), st.integers(-1000, 1000).map(str),
    st.integers(-80_000, 80_000).map(lambda n: f'"{n / 8!r}"'),
    st.sampled_from(["0.125", "1e3", "-2.5E+1", "100", "true", "false",
        '"1.5"', '"+5.25"', '"007"', '"1e3"', '"5."', '"2.5e1"']),
)
_NO_NUMBERS = st.sampled_from([
    '""', '"nan"', '"inf"', '"-Infinity"', '"1e999"', "9" * 400, '"' + "9" * 400 + '"',
    '"1.5 "', '" 1.5"', '"1,5"', '"0x10"', '"true"', '"1.5.2"',
    '"1e"', '"."', '"１.5"', "[]", "{}", "[1.5]",
])
_BOOLEANS = st.sampled_from(["true", "false", "0", "1", '"0"', '"1"', "1.0", "0.0", '"1.0"', '"+1"'])
_NO_BOOLEANS = st.sampled_from([
    "2", "-1", "0.5", "10", '"true"', '"2"', '"-1"', '"0.5"', '""', "[]", "{}", "[true]", "1e300",
])


@st.composite
def json_string(draw: st.DrawFn, value: str) -> str:
    """``value`` as JSON text: as it is, or with everything beyond ASCII escaped (surrogate pairs for emoji)."""
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


def good_value(spec: EventField) -> st.SearchStrategy[str]:
    """JSON text that the field accepts, absent and null left out."""
    if spec.values:
        return st.sampled_from(spec.values).flatmap(json_string)
    if spec.type == "string":
        named = st.one_of(_NAMES, _NAMES, _UNICODE).flatmap(json_string)
        return st.one_of(_IDS, named, _LITERALS) if spec.required else st.one_of(_IDS, named, _LITERALS, st.just('""'))
    if spec.type == "number":
        return _NUMBERS
    return _BOOLEANS if spec.type == "boolean" else _INTEGERS


def bad_value(spec: EventField) -> st.SearchStrategy[str]:
    """JSON text that cannot be read as the field's type; nothing for strings, which read everything."""
    if spec.type == "string":
        return st.nothing()
    if spec.type == "number":
        return _NO_NUMBERS
    return _NO_BOOLEANS if spec.type == "boolean" else _NO_INTEGERS


def other_value(spec: EventField) -> st.SearchStrategy[str]:
    """JSON text that reads well but is none of the declared values."""
    first = spec.values[0]
    texts = (first.swapcase() + "x", first.title() + "\u00df", first + " ", " " + first, first + first, "其他")
    return st.sampled_from([*(json.dumps(t) for t in texts), "1", "true", "[]", f'{{"{first}":1}}'])


def key_value(spec: EventField) -> st.SearchStrategy[str]:
    """A value of a dedupe key's field: of few, so that they repeat, and each in more than one spelling."""
    few = st.integers(1, 12)
    if spec.type == "string" and not spec.values:
        return st.one_of(few.map(str), few.map(lambda n: f'"{n}"'), st.sampled_from(['"e1"', '"\\u00651"', '"é"']))
    if spec.type in ("integer", "timestamp"):
        return st.one_of(few.map(str), few.map(lambda n: f'"{n}"'), few.map(lambda n: f"{n}.0"))
    return good_value(spec)
