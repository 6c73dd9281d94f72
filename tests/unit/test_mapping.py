"""Maps: what is wrong with one is said all at once, with the line and a hint."""

from pathlib import Path

import pytest

from deploy.feed.errors import MapError, SourceError
from deploy.feed.file_source import FileSource, open_file
from deploy.feed.mapping import read_map
from metric_defs import Event, Registry, load_registry

GOOD = """\
fields:
  event_id: {column: id}
  event_time: {column: ts, format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai}
  type: {value: paid}
  order_id: {column: order}
  shop_id: {column: shop}
  user_id: {column: buyer}
  amount: {column: price, times: 100}
"""
HEADER = "id,ts,order,shop,buyer,price\n"
ROW = "1,2026-03-01 00:00:00,o1,s1,u1,19.99\n"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def orders(registry: Registry) -> Event:
    return registry.events["orders"]


def faults_of(tmp_path: Path, text: str, event: Event) -> list[str]:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    return [str(f) for f in read_map(path, event)[1]]


def opened(
    tmp_path: Path, text: str, registry: Registry, content: str = HEADER + ROW, name: str = "f.csv"
) -> FileSource:
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    (tmp_path / name).write_text(content, encoding="utf-8")
    return open_file(tmp_path / name, "orders", tmp_path / "map.yaml", registry)


def test_a_good_map_has_no_faults(tmp_path: Path, orders: Event) -> None:
    assert faults_of(tmp_path, GOOD, orders) == []


def test_all_faults_are_reported_at_once_with_their_lines(tmp_path: Path, orders: Event) -> None:
    text = """\
fields:
  event_id: {colum: id}
  event_time: {column: ts, format: "%Y-%m-%d", zone: Asia/Shangai}
  type: {value: payd}
  shop_id: {column: shop, value: s1}
  amont: {column: price}
  quantity: {sql: "sum(boxes)"}
  item_id: {sql: "price +"}
  channel: offline
colums: {}
"""
    faults = faults_of(tmp_path, text, orders)
    for expected in (
        "map.yaml:2: field 'event_id': unknown key 'colum' (did you mean 'column'?)",
        "map.yaml:3: field 'event_time': 'Asia/Shangai' is no IANA time zone (did you mean 'Asia/Shanghai'?)",
        "map.yaml:4: field 'type': value 'payd' is none of created, paid, refund_succeeded, cancelled",
        "map.yaml:5: field 'shop_id': gives column and value (give exactly one of column, sql or value)",
        "map.yaml:6: field 'amont': event 'orders' has no such field (did you mean 'amount'?)",
        "map.yaml:7: field 'quantity': sql looks beyond its row (SUM(boxes))",
        "map.yaml:8: field 'item_id': sql is no expression",
        "map.yaml:9: field 'channel': is no mapping",
        "map.yaml:10: unknown key 'colums' (did you mean 'columns'?)",
        "map.yaml:1: field 'order_id' is missing, which event 'orders' requires",
        "map.yaml:1: field 'user_id' is missing, which event 'orders' requires",
        "map.yaml:1: field 'amount' is missing, which event 'orders' requires",
    ):
        assert any(f.startswith(expected) for f in faults), (expected, faults)


@pytest.mark.parametrize(
    ("time", "word"),
    [
        ("{column: ts, format: '%Y-%m-%d'}", "says no zone"),
        ("{column: ts, format: '%Y-%m-%d %H:%M:%S%z', zone: UTC}", "reads the zone from the text"),
        ("{column: ts, format: epoch_ms, zone: UTC}", "needs no zone"),
        ("{column: ts, format: yyyy-mm-dd, zone: UTC}", "is none"),
        ("{column: ts, format: '%Y-%Q', zone: UTC}", "unknown directive %Q"),
        ("{value: yesterday}", "not of type timestamp"),
    ],
)
def test_time_formats_are_checked(tmp_path: Path, orders: Event, time: str, word: str) -> None:
    text = GOOD.replace('{column: ts, format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai}', time)
    assert any(word in f and "map.yaml:3" in f for f in faults_of(tmp_path, text, orders))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "has no mapping 'fields'"),
        ("- a", "has no mapping 'fields'"),
        ("fields: [", "is not YAML"),
        ("fields: {}\nfields: {}", "given twice"),
        (GOOD + "separator: ';;'\n", "not one character"),
        (GOOD + "columns: {price: money}\n", "unknown type 'money'"),
        (GOOD.replace("times: 100", "times: 0"), "no whole number above 0"),
        (GOOD.replace("{column: shop}", "{column: shop, times: 2}"), "'times' is for integer fields"),
        (GOOD.replace("{column: shop}", "{column: shop, zone: UTC}"), "'zone' is for timestamp fields"),
        (GOOD.replace("{column: shop}", "{column: 7}"), "not a text"),
    ],
)
def test_misshapen_maps_are_refused(tmp_path: Path, orders: Event, text: str, word: str) -> None:
    assert any(word in f for f in faults_of(tmp_path, text, orders))


def test_a_map_that_is_not_there_is_a_fault(tmp_path: Path, orders: Event) -> None:
    assert "cannot be read" in str(read_map(tmp_path / "none.yaml", orders)[1][0])


def test_map_and_file_are_held_against_each_other(tmp_path: Path, registry: Registry) -> None:
    text = (
        GOOD.replace("{column: buyer}", "{column: byer}")
        + '  quantity: {sql: "foo(price)"}\n  item_id: {sql: "nope || shop"}\n'
    )
    with pytest.raises(MapError) as refused:
        opened(tmp_path, text, registry)
    faults = [str(f) for f in refused.value.faults]
    assert any(
        "map.yaml:7: field 'user_id': the file has no column 'byer' (did you mean 'buyer'?)" in f for f in faults
    )
    assert any("map.yaml:9: field 'quantity': sql cannot be evaluated: unsupported function 'foo'" in f for f in faults)
    assert any("map.yaml:10: field 'item_id': the file has no column 'nope'" in f for f in faults)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("f.xlsx", "x", "cannot be read"),
        ("f.csv", "", "is empty"),
        ("f.csv", "\n\n", "is empty"),
        ("f.csv", HEADER, "has no rows"),
        ("f.csv", "id,id\n1,2\n", "names id twice"),
        ("f.csv", "id,,ts\n1,2,3\n", "column without a name"),
        ("f.jsonl", "", "is empty"),
        ("f.parquet", "not parquet", "is no Parquet file"),
    ],
)
def test_files_that_cannot_be_used_are_refused_clearly(
    tmp_path: Path, registry: Registry, name: str, content: str, word: str
) -> None:
    with pytest.raises(SourceError, match=word):
        opened(tmp_path, GOOD, registry, content, name)


def test_unknown_event_and_absent_file_are_refused_clearly(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "map.yaml").write_text(GOOD)
    with pytest.raises(SourceError, match="no event 'order'"):
        open_file(tmp_path / "f.csv", "order", tmp_path / "map.yaml", registry)
    with pytest.raises(SourceError, match="there is no file"):
        open_file(tmp_path / "f.csv", "orders", tmp_path / "map.yaml", registry)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(SourceError, match="is no file"):
        open_file(tmp_path / "d.csv", "orders", tmp_path / "map.yaml", registry)


def test_a_json_key_that_no_object_has_is_a_fault(tmp_path: Path, registry: Registry) -> None:
    row = '{"id":1,"ts":"2026-03-01 00:00:00","order":"o","shop":"s","price":1}\n'
    with pytest.raises(MapError, match="has the key 'buyer'"):
        opened(tmp_path, GOOD, registry, row, "f.jsonl")
