"""Files of one's own: every good row is sent as it is meant, every bad one is set aside with its line and reason."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from deploy.feed.file_source import FileSource, open_file
from deploy.feed.readers import CHUNK_ROWS
from deploy.feed.rejects import RejectFile
from metric_defs import Registry, load_registry

MAP = """\
fields:
  event_id: {column: id}
  event_time: {column: ts, format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai}
  type: {column: state}
  order_id: {column: order}
  shop_id: {column: shop}
  user_id: {column: buyer}
  amount: {column: price, times: 100}
  quantity: {sql: "CAST(boxes * 6 AS BIGINT)"}
  channel: {value: offline}
"""
HEADER = "id,ts,state,order,shop,buyer,price,boxes\n"
GOOD = "{n},2026-03-01 08:00:0{n},paid,o{n},s1,u{n},19.99,2\n"
T0 = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def opened(tmp_path: Path, registry: Registry, name: str, content: str | bytes, text: str = MAP) -> FileSource:
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_file(tmp_path / name, "orders", tmp_path / "map.yaml", registry)


def read(source: FileSource, tmp_path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events, and the content of the reject file."""
    with RejectFile(tmp_path / "out", source.path.name) as rejects:
        events = [json.loads(v) for b in source.batches(rejects) for v in b.values]
    kept = [json.loads(line) for line in rejects.path.read_text().splitlines()] if rejects.count else []
    assert len(kept) == rejects.count
    assert [r.line for r in rejects.first] == [r["line"] for r in kept[:10]]
    return events, kept


def test_a_row_becomes_an_event(tmp_path: Path, registry: Registry) -> None:
    source = opened(tmp_path, registry, "f.csv", HEADER + GOOD.format(n=1))
    events, kept = read(source, tmp_path)
    assert events == [
        {
            "event_id": "1",
            "event_time": T0 + 1000,
            "type": "paid",
            "order_id": "o1",
            "shop_id": "s1",
            "user_id": "u1",
            "amount": 1999,
            "quantity": 12,
            "channel": "offline",
        }
    ]
    assert kept == []
    assert not (tmp_path / "out").exists()
    (batch,) = source.batches(None)
    assert (batch.topics, batch.keys, batch.times_ms) == ("shop.orders.v1", [b"s1"], [T0 + 1000])


BAD_LINES = [
    (b"2,yesterday,paid,o2,s1,u2,1,1", "'yesterday' is no time"),
    (b"3,2026-02-30 08:00:00,paid,o3,s1,u3,1,1", "is no time"),
    (b"4,2026-03-01 08:00:00,paid,o4,,u4,1,1", "'shop_id': is required and empty"),
    (b"5,2026-03-01 08:00:00,paid,o5,s1,u5,cheap,1", "'cheap' is no number"),
    (b"6,2026-03-01 08:00:00,paid,o6,s1,u6,1", "has 7 columns, not 8"),
    (b"7,2026-03-01 08:00:00,paid,o7,s1,u7,1,1,extra", "has 9 columns, not 8"),
    (b"8,2026-03-01 08:00:00,stolen,o8,s1,u8,1,1", "'stolen' is none of"),
    (b"9,2026-03-01 08:00:00,paid,o\xff\xfe,s1,u9,1,1", "is not UTF-8"),
    (b'10,2026-03-01 08:00:00,paid,"o10,s1,u10,1,1', "quote that is never closed"),
    (b'11,2026-03-01 08:00:00,paid,"o"11,s1,u11,1,1', "is no CSV"),
    (b"12,2026-03-01 08:00:00,paid,o12,s1,u12,1,many", "'many' is no integer"),
    (b"13,1999-12-31 08:00:00,paid,o13,s1,u13,1,1", "before the year 2000"),
    (b"14,2026-03-01 08:00:00,paid,o14,s1,u14,1e300,1", "is no number"),
    (b"15,2026-03-01 08:00:00,paid,o15," + b"x" * (1 << 20) + b",u15,1,1", "longer than"),
]


def test_every_kind_of_bad_csv_row_is_kept_and_the_rest_goes_on(tmp_path: Path, registry: Registry) -> None:
    lines = [HEADER.encode()]
    for bad, _ in BAD_LINES:
        lines += [bad + b"\n", GOOD.format(n=1).encode()]
    events, kept = read(opened(tmp_path, registry, "f.csv", b"".join(lines)), tmp_path)
    assert len(events) == len(BAD_LINES)
    assert [r["line"] for r in kept] == [2 + 2 * i for i in range(len(BAD_LINES))]
    for (text, reason), found in zip(BAD_LINES, kept, strict=True):
        assert reason in found["reason"], found["reason"]
        assert found["text"][:30] == text.decode("utf-8", "backslashreplace")[:30]


def test_quotes_line_ends_bom_and_crlf_are_understood(tmp_path: Path, registry: Registry) -> None:
    content = "\ufeff" + HEADER + '1,2026-03-01 08:00:01,paid,"a ""b"", c\nd",s1,"u,1",1,1\n' + GOOD.format(n=2)
    events, kept = read(opened(tmp_path, registry, "f.csv", content.replace("\n", "\r\n")), tmp_path)
    assert kept == []
    assert [e["order_id"].replace("\r", "") for e in events] == ['a "b", c\nd', "o2"]
    assert events[0]["user_id"] == "u,1"


def test_a_quote_inside_a_value_is_a_character_and_swallows_no_row(tmp_path: Path, registry: Registry) -> None:
    inch = GOOD.format(n=1).replace("o1", '5" pipe')
    events, kept = read(opened(tmp_path, registry, "f.csv", HEADER + inch + GOOD.format(n=2) + inch), tmp_path)
    assert [e["order_id"] for e in events] == ['5" pipe', "o2", '5" pipe']
    assert kept == []


def test_the_separator_is_told_from_the_header(tmp_path: Path, registry: Registry) -> None:
    events, kept = read(opened(tmp_path, registry, "f.csv", (HEADER + GOOD.format(n=1)).replace(",", ";")), tmp_path)
    assert (len(events), kept) == (1, [])


JSON_ROW = {
    "id": 7,
    "ts": "2026-03-01 08:00:00",
    "state": "paid",
    "order": "o",
    "shop": "007",
    "buyer": True,
    "price": 19.99,
    "boxes": 1,
}


def test_every_kind_of_bad_json_line_is_kept(tmp_path: Path, registry: Registry) -> None:
    def line(**change: Any) -> bytes:
        return json.dumps({**JSON_ROW, **change}).encode() + b"\n"

    big = 2**70 + 1
    bad = [
        b'{"id": 1,\n',
        b"[1]\n",
        b"null\n",
        b'"\xff"\n',
        line(shop=None),
        line(shop=""),
        line(price="x"),
        line(ts=5),
        line(boxes=[1]),
    ]
    content = line() + b"\n" + b"".join(b + line(id=big) for b in bad)
    events, kept = read(opened(tmp_path, registry, "f.jsonl", content), tmp_path)
    assert [r["line"] for r in kept] == [3 + 2 * i for i in range(len(bad))]
    assert len(events) == 1 + len(bad)
    assert (events[0]["event_id"], events[0]["shop_id"], events[0]["user_id"]) == ("7", "007", "true")
    assert events[1]["event_id"] == str(big)


def test_parquet_columns_keep_their_types_and_bad_rows_their_number(tmp_path: Path, registry: Registry) -> None:
    frame = pl.DataFrame(
        {
            "id": [1, 2, 3],
            "ts": ["2026-03-01 08:00:00", "2026-03-01 08:00:01", None],
            "state": ["paid", "paid", "paid"],
            "order": [1, 2, 3],
            "shop": ["s1", None, "s3"],
            "buyer": ["u", "u", "u"],
            "price": [19.99, 1.0, 2.0],
            "boxes": [1, 1, 1],
        }
    )
    frame = frame.with_columns(pl.col("ts").str.to_datetime())  # without a zone: the map says which
    frame.write_parquet(tmp_path / "g.parquet")
    text = MAP.replace('format: "%Y-%m-%d %H:%M:%S", ', "")
    events, kept = read(opened(tmp_path, registry, "f.parquet", (tmp_path / "g.parquet").read_bytes(), text), tmp_path)
    assert [(e["event_id"], e["event_time"], e["amount"], e["quantity"]) for e in events] == [("1", T0, 1999, 6)]
    assert [r["line"] for r in kept] == [2, 3]
    assert json.loads(kept[0]["text"])["shop"] is None


@pytest.mark.parametrize(
    ("form", "given", "expected_ms"),
    [
        ("format: epoch_ms", str(T0), T0),
        ("format: epoch_s", str(T0 // 1000), T0),
        ("format: epoch_s", f"{T0 // 1000}.25", T0 + 250),
        ("format: rfc3339", "2026-03-01T00:00:00Z", T0),
        ("format: rfc3339", "2026-03-01T08:00:00.125+08:00", T0 + 125),
        ("format: '%d/%m/%Y %H:%M', zone: America/New_York", "28/02/2026 19:00", T0),
        ("format: '%Y-%m-%d %H:%M:%S%z'", "2026-03-01 08:00:00+0800", T0),
        ("format: '%Y-%m-%d', zone: Asia/Shanghai", "2026-03-01", T0 - 8 * 3_600_000),
        (
            "format: '%Y-%m-%d %H:%M', zone: America/New_York",
            "2026-11-01 01:30",
            int(datetime(2026, 11, 1, 5, 30, tzinfo=UTC).timestamp() * 1000),
        ),
        ("format: '%Y-%m-%d %H:%M', zone: America/New_York", "2026-03-08 02:30", None),
        ("format: rfc3339", "2026-03-01T00:00:00", None),
        ("format: epoch_ms", "12.5", None),
        ("format: epoch_ms", str(T0 // 1000), None),
    ],
)
def test_times_are_read_by_format_and_zone(
    tmp_path: Path, registry: Registry, form: str, given: str, expected_ms: int | None
) -> None:
    text = MAP.replace('format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai', form)
    row = GOOD.format(n=1).replace("2026-03-01 08:00:01", given)
    events, kept = read(opened(tmp_path, registry, "f.csv", HEADER + row, text), tmp_path)
    assert [e["event_time"] for e in events] == ([] if expected_ms is None else [expected_ms])
    assert len(kept) == (expected_ms is None)


def test_money_is_rounded_half_away_and_not_cut_off(tmp_path: Path, registry: Registry) -> None:
    prices = ["0.29", "19.99", "4.35", "-0.29", "1.005", "1148.55", "7"]
    rows = "".join(GOOD.format(n=1).replace("19.99", p) for p in prices)
    events, _ = read(opened(tmp_path, registry, "f.csv", HEADER + rows), tmp_path)
    assert [e["amount"] for e in events] == [29, 1999, 435, -29, 101, 114855, 700]


def test_a_failing_cast_costs_its_row_and_no_other(tmp_path: Path, registry: Registry) -> None:
    text = MAP.replace("CAST(boxes * 6 AS BIGINT)", "CAST(order AS BIGINT)").replace(
        'sql: "CAST(order', 'sql: "CAST(\\"order\\"'
    )
    rows = "".join(GOOD.format(n=1).replace("o1", "x" if n % 10 == 3 else f"a{n}").replace("a", "") for n in range(200))
    rows = rows.replace("pid", "paid")
    events, kept = read(
        opened(tmp_path, registry, "f.csv", HEADER + rows, text + "columns: {order: string}\n"), tmp_path
    )
    assert (len(events), len(kept)) == (180, 20)
    assert [r["line"] for r in kept] == [2 + n for n in range(200) if n % 10 == 3]
    assert all("sql" in r["reason"] for r in kept)


def test_large_files_go_in_chunks_with_limit_and_shift(tmp_path: Path, registry: Registry) -> None:
    count = CHUNK_ROWS * 2 + 10
    source = opened(tmp_path, registry, "f.csv", HEADER + GOOD.format(n=1) * (count - 1) + GOOD.format(n=5))
    assert [len(b) for b in source.batches(None)] == [CHUNK_ROWS, CHUNK_ROWS, 10]
    assert sum(len(b) for b in source.batches(None, limit=25_000)) == 25_000
    assert source.last_time_ms() == T0 + 5000
    assert source.last_time_ms(limit=3) == T0 + 1000
    (first,) = source.batches(None, limit=1, offset_ms=500)
    assert json.loads(first.values[0])["event_time"] == T0 + 1500
