"""Fields and expressions for tests of what may stand in a measure."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from metric_defs.models import FieldType

FIELDS: Mapping[str, FieldType] = {
    "cents": "integer", "pieces": "integer", "at": "timestamp", "weight": "number",
    "gift": "boolean", "kind": "string", "shop": "string", "order": "string", "from": "string", "date": "integer",
    "inf": "number",
}  # fmt: skip
"""One of each type, and names that mean something in SQL."""

INJECTIONS = (
    "1; DROP TABLE panes",
    "1) ; DROP TABLE panes --",
    "kind = 'paid'; SELECT 1",
    "kind = 'paid' UNION ALL SELECT 1",
    "kind = 'paid' FROM system.tables",
    "kind = 'paid' INTO OUTFILE 'x'",
    "kind = 'paid' FORMAT JSON",
    "kind = 'paid' SETTINGS max_threads = 1",
    "kind = 'paid' LIMIT 1",
    "kind = 'paid' WHERE 1 = 1",
    "kind = 'paid' GROUP BY kind",
    "kind = 'paid' -- always",
    "kind = 'paid' /* hidden */",
    "kind = 'paid' # hidden",
    "kind = 'it''s' OR 1 = 1 --",
    "kind = 'x\\\\' OR 1 = 1 --'",
    "(SELECT 1) = 1",
    "kind IN (SELECT name FROM system.tables)",
    "kind IN system.tables",
    "kind IN (panes)",
    "kind IN (shop)",
    "EXISTS(SELECT 1)",
    "url('http://127.0.0.1/') = 'x'",
    "file('passwd') = 'x'",
    "sleep(3) = 0",
    "sleepEachRow(3) = 0",
    "throwIf(1) = 0",
    "dictGet('d', 'a', 1) = 1",
    "joinGet('t', 'v', kind) = 'x'",
    "hostName() = 'x'",
    "currentUser() = 'x'",
    "getSetting('readonly') = '1'",
    "getMacro('shard') = '1'",
    "now() > 0",
    "rand() > 0",
    "rowNumberInAllBlocks() = 0",
    "evalMLMethod(kind) = 1",
    "remote('h', system.one) = 1",
    "system.tables.name = 'x'",
    "panes.kind = 'x'",
    "* = 1",
    "{name:String} = 'x'",
    "@@version = 1",
    "CAST(kind AS Int64) = 1",
    "kind::Int64 = 1",
    "toString(cents) = '1'",
    "arrayJoin([1, 2]) = 1",
    "[1, 2][1] = 1",
    "arrayMap(x -> x + 1, [1]) = 1",
    "(cents, kind) = (1, 'x')",
    "sum(cents) > 1",
    "count() OVER () > 1",
    "cents AS x",
    "intDiv(cents, 0) = 1",
    "cents % 0 = 1",
    "cents / 0 = 1",
    "match(kind, '(a+)+b')",
    "kind = NULL",
    "kind IS NULL",
    "$$x$$ = kind",
    "kind = x'41'",
)
"""Attempts at something else than a condition over FIELDS; also as an argument of an aggregate."""

NUMBERS = st.one_of(
    st.sampled_from(["cents", "pieces", "at", "gift", "date"]),
    st.integers(-(2**53) + 1, 2**53 - 1).map(str),
)
FRACTIONS = st.sampled_from(["weight", "inf", "1.5", "0.0", "1e3", "-0.5"])
LITERALS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(lambda s: quoted(s))
STRINGS = st.one_of(st.sampled_from(["kind", "shop", '"order"', '"from"']), LITERALS)


def quoted(text: str) -> str:
    """A text literal of ClickHouse SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    condition = st.tuples(inner, st.sampled_from(["=", "!=", "<", ">="]), inner).map(" ".join)
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda p: f"({p[0]}) {p[1]} {p[2]}"),
        st.tuples(st.sampled_from(["greatest", "least"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        st.tuples(st.sampled_from(["intDiv", "modulo"]), inner, st.integers(1, 2**40))
        .map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        st.tuples(condition, inner, inner).map(lambda p: f"if({p[0]}, {p[1]}, {p[2]})"),
        inner.map(lambda n: f"-({n})"), inner.map(lambda n: f"abs({n})"), inner.map(lambda n: f"toInt64({n})"),
    )  # fmt: skip


def _fractions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda p: f"({p[0]}) {p[1]} {p[2]}"),
        st.tuples(st.sampled_from(["greatest", "least"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        inner.map(lambda n: f"abs({n})"), inner.map(lambda n: f"-({n})"), inner.map(lambda n: f"if(gift, {n}, 3)"),
    )  # fmt: skip


def _texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map(lambda s: f"lower({s})"), inner.map(lambda s: f"upper({s})"),
        st.tuples(inner, inner).map(lambda p: f"concat({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"if(gift, {p[0]}, {p[1]})"),
    )  # fmt: skip


WHOLE = st.recursive(NUMBERS, _numbers, max_leaves=6)
REAL = st.recursive(FRACTIONS, _fractions, max_leaves=4)
TEXTS = st.recursive(STRINGS, _texts, max_leaves=4)
_LEAVES = st.one_of(
    st.tuples(WHOLE, st.sampled_from(["=", "<>", "<", ">", "<=", ">="]), WHOLE).map(" ".join),
    st.tuples(REAL, st.sampled_from(["=", "<", ">="]), WHOLE).map(" ".join),
    st.tuples(TEXTS, st.sampled_from(["=", "!=", "<"]), TEXTS).map(" ".join),
    st.tuples(WHOLE, WHOLE, WHOLE).map(lambda p: f"({p[0]}) BETWEEN {p[1]} AND {p[2]}"),
    st.tuples(TEXTS, st.sampled_from(["LIKE", "NOT LIKE"]), st.sampled_from(["'%a_'", "'100\\\\%'", "''"]))
    .map(" ".join),
    st.tuples(TEXTS, st.sampled_from(["IN", "NOT IN"]), st.lists(LITERALS, min_size=1, max_size=3))
    .map(lambda p: f"{p[0]} {p[1]} ({', '.join(p[2])})"),
    st.tuples(WHOLE, st.lists(st.integers(-(2**53) + 1, 2**53 - 1).map(str), min_size=1, max_size=3))
    .map(lambda p: f"({p[0]}) IN ({', '.join(p[1])})"),
    st.sampled_from(["gift", "true", "FALSE"]),
)  # fmt: skip
CONDITIONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda p: f"({p[0]}) {p[1]} {p[2]}"),
        inner.map(lambda c: f"NOT {c}"),
        inner.map(lambda c: f"({c})"),
    ),
    max_leaves=4,
)
"""Expressions that are meant to be allowed; a few are not, such as a literal that becomes too great."""
