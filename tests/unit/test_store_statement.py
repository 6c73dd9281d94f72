"""How the embedded store reads a request: where data begins, what is one statement, what is refused."""

import pytest

from deploy.local.store.errors import StoreError
from deploy.local.store.statement import Statement, parse
from deploy.local.store.tokens import tokens_of

_TABLE_FUNCTIONS = frozenset({"file", "url", "s3", "python", "eval", "numbers", "format", "values", "brand_new"})


def _parse(body: bytes, url_query: bytes = b"") -> Statement:
    return parse(url_query, body, _TABLE_FUNCTIONS)


def _code(body: bytes, url_query: bytes = b"") -> int:
    with pytest.raises(StoreError) as caught:
        _parse(body, url_query)
    return caught.value.code


def test_tokens_carry_names_folded_and_nothing_of_strings() -> None:
    sql = b"""SELECT 'it''s \\' ;', "Q""x", `b\\`c`, $h$ x ' ; $h$, 1.5e3 -- ; c\n/* ; */ FROM T # ;"""
    assert [(token.kind, token.text) for token in tokens_of(sql) if token.text != ","] == [
        ("word", "select"),
        ("string", ""),
        ("quoted", 'q""x'),
        ("quoted", "b`c"),
        ("string", ""),
        ("number", ""),
        ("word", "from"),
        ("word", "t"),
    ]


@pytest.mark.parametrize(
    "sql", [b"SELECT 'open", b"SELECT `open", b"SELECT /* open", b"/* a /* b */ c */", "SELECT ‘x’".encode(), b"\xff"]
)
def test_what_two_lexers_may_read_differently_is_refused(sql: bytes) -> None:
    assert _code(sql) == 62


@pytest.mark.parametrize(
    ("sql", "data"),
    [
        (b"INSERT INTO t (a, format) FORMAT Native\n\x00;'\xff", b"\x00;'\xff"),
        (b"INSERT INTO t FORMAT CSV  \t\r\n1,2\n", b"1,2\n"),
        (b"insert into t format JSONEachRow;\n{}", b"{}"),
        (b'INSERT INTO t FORMAT JSONEachRow {"a": "; DROP"}', b'{"a": "; DROP"}'),
        (b"INSERT INTO t SELECT a AS format, format FROM input('a Int8') FORMAT TSV\n1\n", b"1\n"),
    ],
)
def test_data_begins_behind_format(sql: bytes, data: bytes) -> None:
    statement = _parse(sql)
    assert statement.data == data
    assert statement.data_format in ("Native", "CSV", "JSONEachRow", "TSV")
    assert b"FORMAT N" not in statement.sql


def test_query_in_the_url_and_data_in_the_body() -> None:
    statement = _parse(b"\x01;\x02", b"INSERT INTO t FORMAT Native")
    assert (statement.sql.strip(), statement.data) == (b"INSERT INTO t", b"\x01;\x02")
    assert _parse(b"(1)", b"INSERT INTO t VALUES").sql == b"INSERT INTO t VALUES\n(1)"


def test_input_becomes_a_file() -> None:
    statement = _parse(b"INSERT INTO t SELECT a FROM INPUT ( 'a Decimal(9, 2), b Array(String)' ) WHERE b FORMAT TSV\n")
    assert statement.reading("/dev/fd/9") == (
        b"INSERT INTO t SELECT a FROM file('/dev/fd/9', 'TSV',  'a Decimal(9, 2), b Array(String)' ) WHERE b "
    )
    assert _code(b"INSERT INTO t SELECT a FROM input('a Int8') x, input('a Int8') y FORMAT TSV\n") == 36


@pytest.mark.parametrize(
    "sql", [b"SELECT 1; SELECT 2", b"INSERT INTO t VALUES (1); DROP TABLE t", b"SELECT 1;/**/;x", b"", b" ;; ", b"-- x"]
)
def test_exactly_one_statement(sql: bytes) -> None:
    assert _code(sql) == 62


def test_a_last_semicolon_is_no_second_statement() -> None:
    assert _parse(b"SELECT ';' ; ; -- end;\n").sql == b"SELECT ';' "


@pytest.mark.parametrize(
    ("sql", "lane", "output_format"),
    [
        (b"SELECT 1 FORMAT JSON", "read", "JSON"),
        (b"(SELECT format FROM t) SETTINGS max_threads = 1", "read", None),
        (b"WITH 1 AS x SELECT x FORMAT CSV SETTINGS max_threads = 1", "read", "CSV"),
        (b"OPTIMIZE TABLE t FINAL", "write", None),
    ],
)
def test_lane_and_output_format(sql: bytes, lane: str, output_format: str | None) -> None:
    statement = _parse(sql)
    assert (statement.lane, statement.output_format) == (lane, output_format)


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT * FROM file('x')",
        b"SELECT * FROM FILE /* */ ('x')",
        b"SELECT \"fi\\le\"('x')",
        b"SELECT arrayMap((file), ['x'])",
        b"SELECT mapApply(file, m)",
        b"SELECT * APPLY file FROM t",
        b"SELECT * FROM brand_new(1)",
        b"SELECT * FROM eval('SELECT 1')",
        b"SELECT 1 INTO OUTFILE 'x'",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV\n",
        b"INSERT INTO t VALUES (file('x'))",
        b"INSERT INTO t FORMAT Values (file('x'))",
        b"CREATE TABLE t (a Int8) ENGINE = Kafka SETTINGS x = 1",
        b"CREATE TABLE t (engine String) ENGINE File(CSV)",
        b"CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(URL 'x')) LAYOUT(FLAT())",
        b"CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/')",
        b"SELECT 1 FORMAT Template SETTINGS format_template_row = 'x'",
    ],
)
def test_ways_out_are_refused(sql: bytes) -> None:
    assert _code(sql) == 497


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT file, url, t.file FROM t WHERE engine = name",
        b"SELECT arrayMap(x -> x + 1, [1]), arrayConcat(t.file, [s3]) FROM t",
        b"SELECT 'file(' || `url` FROM numbers(3) -- url('x')",
        b"CREATE TABLE t (file String, engine Kafka) ENGINE = ReplacingMergeTree(v) ORDER BY file",
        b"INSERT INTO t (file, url) FORMAT Native\n",
    ],
)
def test_columns_of_such_names_pass(sql: bytes) -> None:
    _parse(sql)
