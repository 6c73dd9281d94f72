"""The embedded store as clickhouse-connect sees it: a real process, real clients."""

import asyncio
import gzip
import threading
import time
import urllib.error
from collections.abc import Iterator
from itertools import count

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.store_process import StoreProcess, running_store
from tests.support.wait import wait_until

pytestmark = pytest.mark.store
_numbers = count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def client(store: StoreProcess) -> Iterator[Client]:
    with store.client() as connected:
        yield connected


@pytest.fixture
def table(client: Client) -> str:
    name = f"t{next(_numbers)}"
    client.command(f"CREATE TABLE {name} (a UInt32, s String) ENGINE = MergeTree ORDER BY a")
    return name


def _rows(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def _failure(store: StoreProcess, body: bytes = b"", **arguments: str) -> tuple[int, str, str]:
    """HTTP status, exception code and text of a request that must fail."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        store.post(body, **arguments)
    error = caught.value
    return error.code, error.headers["X-ClickHouse-Exception-Code"], error.read().decode()


# --- as a server ----------------------------------------------------------------------------------------------------


def test_client_connects_inserts_and_reads_back(client: Client, table: str) -> None:
    summary = client.insert(table, [[i, f"s{i % 7}"] for i in range(1000)], column_names=["a", "s"])
    assert summary.written_rows == 1000
    rows = client.query(
        f"SELECT s, count() FROM {table} WHERE a >= {{x:UInt32}} AND s != {{s:String}} GROUP BY s ORDER BY s",
        parameters={"x": 993, "s": "s0'\\"},
    ).result_rows
    assert rows == [(f"s{i}", 1) for i in range(7)]
    assert str(client.server_tz) == "UTC"
    assert client.query_arrow(f"SELECT * FROM {table} LIMIT 3").num_rows == 3
    client.insert_arrow(table, pa.table({"a": pa.array([1], pa.uint32()), "s": ["arrow"]}))
    assert _rows(client, table) == 1001


async def test_async_client(store: StoreProcess, table: str) -> None:
    client = await clickhouse_connect.get_async_client(
        host="127.0.0.1", port=store.port, database="metricgrid", autogenerate_session_id=False
    )
    await client.insert(table, [[1, "x"]], column_names=["a", "s"])
    answers = await asyncio.gather(*(client.query(f"SELECT count() FROM {table}") for _ in range(8)))
    assert {answer.result_rows[0][0] for answer in answers} == {1}
    await client.close()


@pytest.mark.parametrize("compress", [False, "gzip", "zstd", "lz4"])
def test_compression_both_ways(store: StoreProcess, table: str, compress: bool | str) -> None:
    with store.client(compress=compress) as client:
        client.insert(table, [[i, "same"] for i in range(20_000)], column_names=["a", "s"])
        assert client.query(f"SELECT sum(a) FROM (SELECT a FROM {table})").result_rows == [(199_990_000,)]
        assert client.query(f"SELECT a FROM {table}").row_count == 20_000


def test_compressed_statement_and_damaged_body(store: StoreProcess) -> None:
    for encoding, pack in (
        ("gzip", gzip.compress),
        ("zstd", zstandard.compress),
        ("lz4", lz4.frame.compress),
    ):
        assert store.post(pack(b"SELECT 7"), {"Content-Encoding": encoding}) == b"7\n"
        with pytest.raises(urllib.error.HTTPError) as caught:
            store.post(b"no such thing", {"Content-Encoding": encoding})
        assert caught.value.code == 400
    _, code, text = _failure(store, b"\x01", decompress="1", query="SELECT 1")
    assert (code, "Content-Encoding" in text) == ("48", True)


def test_parameters_settings_formats_and_databases(store: StoreProcess, client: Client) -> None:
    assert store.post(query="SELECT {x:Array(String)}", param_x="['a\\'b']", default_format="CSV") == b"\"['a\\'b']\"\n"
    assert store.post(b"SELECT 1 AS a FORMAT JSONEachRow") == b'{"a":1}\n'
    assert store.post(b"SELECT 'a;b' -- ; c", {"X-ClickHouse-Format": "TSVRaw"}) == b"a;b\n"
    assert store.post(query="SELECT getSetting('max_threads'), getSetting('readonly')", max_threads="1") == b"1\t0\n"
    client.command("CREATE DATABASE IF NOT EXISTS other")
    client.command("CREATE TABLE other.only_here ENGINE = Memory AS SELECT 5 AS a")
    assert store.post(b"SELECT a FROM only_here", database="other") == b"5\n"
    assert store.post(b"SELECT currentDatabase()") == b"metricgrid\n"
    assert _failure(store, b"SELECT a FROM only_here")[:2] == (404, "60")
    assert _failure(store, b"SELECT 1", database="nowhere")[1] == "81"
    assert _failure(store, b"SELECT 1", no_such_setting="1")[1] == "115"
    assert _failure(store, b"SELEC 1")[:2] == (400, "62")
    assert _failure(store, b" ;; ")[:2] == (400, "62")


def test_binary_in_a_message_and_in_a_statement(store: StoreProcess) -> None:
    status, code, text = _failure(store, b"SELECT throwIf(1, unhex('FFFE'))")
    assert (status, code, text.startswith("Code: 395.")) == (400, "395", True)
    assert store.post(b"SELECT hex('\xff\xfe')") == b"FFFE\n"
    assert store.post(query=b"SELECT hex('\xff\xfe')".decode("latin-1")) == b"C3BFC3BE\n"


def test_rows_of_a_failed_answer_do_not_reach_the_next_one(store: StoreProcess) -> None:
    for _ in range(3):
        _failure(store, b"SELECT number, throwIf(number = 3) FROM numbers(10) SETTINGS max_block_size = 1")
        assert store.post(b"SELECT 5") == b"5\n"


# --- inserts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("INSERT INTO {t} (a, s) FORMAT JSONEachRow", b'{"a": 1, "s": "x;y"}\n{"a": 2, "s": "(--"}'),
        ("INSERT INTO {t} FORMAT CSV", b'1,"x;y"\n2,"(--"\n'),
        ("INSERT INTO {t} FORMAT Values", b"(1, 'x;y'), (2, '(--')"),
        ("INSERT INTO {t} VALUES", b"(1, 'x;y'), ({two:UInt32}, '(--');"),
        ("INSERT INTO {t} (s, a) SELECT s, a FROM input('a UInt32, s String') FORMAT TSV", b"1\tx;y\n2\t(--\n"),
    ],
)
@pytest.mark.parametrize("in_url", [True, False])
def test_data_of_any_format(
    store: StoreProcess, client: Client, table: str, query: str, data: bytes, in_url: bool
) -> None:
    text = query.replace("{t}", table)
    if in_url:
        store.post(data, query=text, param_two="2")
    else:
        store.post(text.encode() + b"\n" + data, param_two="2")
    assert client.query(f"SELECT a, s FROM {table} ORDER BY a").result_rows == [(1, "x;y"), (2, "(--")]


_STRUCTURE = "lane UInt16, kind String, seq UInt64, owner String, v AggregateFunction(sum, Int64)"
# several blocks of one body become one part, and so one atomic insert
_ONE_PART = {
    "min_insert_block_size_rows": "100000000",
    "min_insert_block_size_bytes": "0",
    "max_threads": "1",
    "max_insert_threads": "1",
}


def _flush(store: StoreProcess, table: str, seq: int, expected: int, owner: str) -> None:
    """Compare and append: cells and a ledger row, in blocks with different columns."""
    cells = store.post(
        f"SELECT toUInt16(3) AS lane, 'cell' AS kind, toUInt64({seq}) AS seq, sumState(toInt64(10)) AS v "
        "FROM numbers(3) GROUP BY number".encode(),
        default_format="Native",
    )
    ledger = store.post(
        f"SELECT toUInt16(3) AS lane, 'ledger' AS kind, toUInt64({seq}) AS seq, '{owner}' AS owner".encode(),
        default_format="Native",
    )
    store.post(
        cells + ledger,
        query=f"INSERT INTO {table} (lane, kind, seq, owner, v) SELECT lane, kind, seq, owner, v "
        f"FROM input('{_STRUCTURE}') WHERE throwIf((SELECT max(seq) FROM {table} WHERE kind = 'ledger') != {expected}, "
        "'fenced') = 0 FORMAT Native",
        insert_deduplication_token=f"3:{seq}",
        **_ONE_PART,
    )


def test_compare_and_append_is_one_part_once(store: StoreProcess, client: Client) -> None:
    client.command(
        f"CREATE TABLE panes ({_STRUCTURE}) ENGINE = AggregatingMergeTree PARTITION BY lane "
        "ORDER BY (kind, seq, owner, lane) SETTINGS non_replicated_deduplication_window = 1000"
    )
    client.command("SYSTEM STOP MERGES panes")

    def seen() -> tuple[int, int, str]:
        parts, rows = client.query(
            "SELECT count(), sum(rows) FROM system.parts WHERE active AND database = 'metricgrid' AND table = 'panes'"
        ).result_rows[0]
        owners = client.query("SELECT groupArray(owner) FROM panes WHERE kind = 'ledger'").result_rows[0][0]
        return parts, rows, "".join(sorted(owners))

    _flush(store, "panes", seq=1, expected=0, owner="A")
    assert seen() == (1, 2, "A")  # the three equal cells merged in the block, the ledger row beside them
    with pytest.raises(urllib.error.HTTPError) as fenced:  # a zombie that still thinks the lane is at 0
        _flush(store, "panes", seq=2, expected=0, owner="Z")
    assert fenced.value.headers["X-ClickHouse-Exception-Code"] == "395"
    assert b"fenced" in fenced.value.read()
    assert seen() == (1, 2, "A")
    _flush(store, "panes", seq=1, expected=1, owner="B")  # the condition holds, the token is taken
    assert seen() == (1, 2, "A")
    _flush(store, "panes", seq=2, expected=1, owner="B")
    assert seen() == (2, 4, "AB")
    assert client.query("SELECT sumMerge(v) FROM panes").result_rows == [(60,)]


def test_a_damaged_second_block_inserts_nothing(store: StoreProcess, client: Client, table: str) -> None:
    block = store.post(b"SELECT toUInt32(number) AS a, 'x' AS s FROM numbers(10)", default_format="Native")
    for query in (
        f"INSERT INTO {table} FORMAT Native",
        f"INSERT INTO {table} SELECT * FROM input('a UInt32, s String') FORMAT Native",
    ):
        assert _failure(store, block + block[:-5], query=query, **_ONE_PART)[1] == "33"
        assert _rows(client, table) == 0
    store.post(block + block, query=f"INSERT INTO {table} FORMAT Native", **_ONE_PART)
    assert _rows(client, table) == 20


def test_token_on_a_plain_insert(store: StoreProcess, client: Client) -> None:
    client.command(
        "CREATE TABLE raw (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"
    )
    for value in (1, 2):
        client.insert("raw", [[value]], column_names=["a"], settings={"insert_deduplication_token": "orders:0:7"})
    assert client.query("SELECT a FROM raw").result_rows == [(1,)]


# --- what is refused ------------------------------------------------------------------------------------------------

_OUTSIDE = [
    "SELECT * FROM file('/etc/hosts', 'LineAsString')",
    "SELECT `file` /* */ ('/etc/hosts')",
    "SELECT arrayMap(file, ['/etc/hosts'])",
    "SELECT * APPLY(file) FROM (SELECT '/etc/hosts')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM python(engine)",
    "SELECT * FROM default.`/etc/hosts`",
    "SELECT 1 INTO OUTFILE 'stolen'",
    "INSERT INTO FUNCTION file('stolen', 'CSV') SELECT 1",
    "INSERT INTO t0 FROM INFILE '/etc/hosts' FORMAT CSV",
    "INSERT INTO t0 VALUES (1, file('/etc/hosts'))",
    "CREATE TABLE outside (a String) ENGINE = File(CSV)",
    "CREATE TABLE outside (a String) ENGINE EmbeddedRocksDB(0, '/stolen') PRIMARY KEY a",
    "CREATE TABLE default.lost (a UInt8) ENGINE = MergeTree ORDER BY a",
    "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '/etc/hosts'",
    "BACKUP TABLE t0 TO File('stolen')",
    "SYSTEM SHUTDOWN",
    "SELECT 1; DROP TABLE t0",
    "SELECT /* /* */ */ 1",
]


@pytest.mark.parametrize("sql", _OUTSIDE)
def test_nothing_reaches_outside(store: StoreProcess, client: Client, table: str, sql: str) -> None:
    status, _, text = _failure(store, sql.encode())
    assert status in (400, 403, 404, 500), text
    assert "localhost" not in text
    assert _rows(client, table) == 0


def test_a_file_setting_in_the_url_is_refused(store: StoreProcess) -> None:
    assert _failure(store, b"SELECT 1 FORMAT Template", format_template_resultset="/etc/hosts")[:2] == (403, "497")


def test_names_that_only_look_dangerous(store: StoreProcess, client: Client) -> None:
    client.command("CREATE TABLE names (file String, url String, engine String) ENGINE = Memory")
    client.insert("names", [["f", "u", "e"]], column_names=["file", "url", "engine"])
    assert client.query("SELECT file, url, 'x; file(' AS s FROM names WHERE engine = 'e'").result_rows == [
        ("f", "u", "x; file(")
    ]


@pytest.mark.parametrize(
    "arguments", [{"user": "reader"}, {"readonly": "1"}, {"readonly": "1", "max_threads": "1"}, {"readonly": "2"}]
)
def test_a_reader_reads_only(store: StoreProcess, client: Client, table: str, arguments: dict[str, str]) -> None:
    assert store.post(f"SELECT count() FROM {table}".encode(), **arguments) == b"0\n"
    for sql in (
        f"INSERT INTO {table} VALUES (1, 'x')",
        f"DROP TABLE {table}",
        f"CREATE TABLE {table}_2 (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a UInt8)",
        "SET readonly = 0",
        "KILL QUERY WHERE 1",
    ):
        assert _failure(store, sql.encode(), **arguments)[:2] == (403, "164"), sql
    client.insert(table, [[1, "the next writer may write"]], column_names=["a", "s"])
    assert _rows(client, table) == 1


def test_a_web_page_gets_nothing(store: StoreProcess) -> None:
    for headers in ({"Origin": "http://elsewhere"}, {"Host": "rebound.example:80"}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            store.post(b"SELECT 1", headers)
        assert caught.value.code == 403


# --- beside each other ----------------------------------------------------------------------------------------------

_ENDLESS = "SELECT sum(cityHash64(number)) FROM numbers(1000000000000) SETTINGS max_threads = 1"


def _running(client: Client) -> int:
    texts = client.query("SELECT query FROM system.processes").result_columns[0]
    return sum(text.startswith(_ENDLESS) for text in texts)


def test_slow_reads_hold_up_no_insert_and_keep_their_deadline(store: StoreProcess, client: Client, table: str) -> None:
    codes: list[str] = []

    def slow() -> None:
        codes.append(_failure(store, _ENDLESS.encode(), max_execution_time="2")[1])

    readers = [threading.Thread(target=slow) for _ in range(5)]  # one more than there are readers
    started = time.monotonic()
    for reader in readers:
        reader.start()
    block = store.post  # writers have a lane of their own
    longest_s = 0.0
    for value in range(5):
        before = time.monotonic()
        block(b'{"a": %d}' % value, query=f"INSERT INTO {table} FORMAT JSONEachRow")
        longest_s = max(longest_s, time.monotonic() - before)
    assert longest_s < 1.5
    for reader in readers:
        reader.join()
    assert codes == ["159"] * 5
    assert time.monotonic() - started < 8
    assert _rows(client, table) == 5


def test_a_read_whose_caller_has_gone_is_stopped(store: StoreProcess, client: Client) -> None:
    def impatient() -> None:
        with pytest.raises(DatabaseError, match="timed out"), store.client(send_receive_timeout=1) as gone:
            gone.query(_ENDLESS)

    caller = threading.Thread(target=impatient)
    caller.start()
    wait_until(lambda: _running(client) == 1, 5, "the read to start")
    wait_until(lambda: _running(client) == 0, 10, "the read to be stopped")
    caller.join()
