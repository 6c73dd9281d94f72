"""The oracle itself, held to examples worked out by hand from docs/semantics.md."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.catalogs import KIOSK_MIDNIGHT_MS, kiosk_registry
from tests.support.reference import Counts, Outcome, ReferenceLane, pane_starts

REGISTRY = kiosk_registry()
T = KIOSK_MIDNIGHT_MS
NOW = T + 10 * 3_600_000
S = 1000
NO_NUMBERS: list[Any] = ["", "x", "1 ", "nan", "1e999", [], {}]
NO_BOOLEANS: list[Any] = [2, -1, "true", "2", 0.5, []]


def reading(no: Any = 1, at: Any = T, kiosk: Any = "k1", **fields: Any) -> dict[str, Any]:
    """A good record; ``body``'s members are given as a dict."""
    return {"meta": {"no": no, "when": {"ms": at}}, "kiosk": kiosk, **fields}


def encoded(record: Any) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()


def judge(*records: Any, event: str = "readings", lane: ReferenceLane | None = None,
now_ms: int = NOW) -> list[Outcome]:
    """Outcomes of records fed to one partition; dicts are encoded."""
    values = [(offset, None if r is None else encoded(r)) for offset, r in enumerate(records)]
    return (lane or ReferenceLane(REGISTRY)).feed(event, 0, values, now_ms)


def verdicts(*records: Any, event: str = "readings") -> list[str]:
    return [o.verdict for o in judge(*records, event=event)]


def reason(record: Any) -> str:
    (outcome,) = judge(record)
    return outcome.reason or outcome.verdict


def values(**fields: Any) -> dict[str, Any]:
    (outcome,) = judge(reading(**fields))
    assert outcome.verdict == "counted", outcome
    return dict(outcome.values or {})


def raw(fragment: str) -> bytes:
    """A good record with one undeclared member of the given JSON text."""
    return encoded(reading())[:-1] + b',"x":' + fragment.encode("utf-8", "surrogatepass") + b"}"


def test_absent_and_null_fields_read_as_their_defaults() -> None:
    expected: dict[str, Any] = {
        "kind": "check", "flavour": "", "grade": "plain", "cents": -7, "litres": 0.25, "weight": 0.0, "sealed": 1,
        "cold": 0,
    }
    assert values().items() >= expected.items()
    nulls = dict.fromkeys(("kind", "grade", "cents", "litres", "weight", "sealed"))
    assert values(**nulls, body={"cold": None}).items() >= expected.items()


def test_a_field_with_declared_values_may_be_absent_unless_required() -> None:
    assert values()["tier"] == values(tier=None)["tier"] == ""
    assert values(tier="银")["tier"] == "银"
    assert reason(reading(tier="Gold")) == "unknown_value"


def test_a_path_that_leads_through_no_object_is_absent() -> None:
    assert values(body="text")["flavour"] == ""
    assert reason({"meta": 5, "kiosk": "k"}) == "missing_field"


@pytest.mark.parametrize(("given", "text"), [
    (b'"k"', "k"), (b"12", "12"), (b"18446744073709551615", "18446744073709551615"), (b"9" * 400, "9" * 400),
    (b"1.50", "1.5"), (b"2.0", "2"), (b"1e3", "1000"), (b"-0.25", "-0.25"), (b"true", "true"),
    (b"false", "false"), (b'[1, "a", null]', '[1,"a",null]'), (b'{"b": {}}', '{"b":{}}'),
    (b'"\\u4e2d\\ud83d\\uded2"', "中🛒"), (b'"\\\\ud800"', "\\ud800"), (b'"\\u0000"', "\x00"),
    (b"1e20", "100000000000000000000"), (b"1e21", "1e21"), (b"0.000001", "0.000001"), (b"1.5e-7", "1.5e-7"),
])
def test_strings_read_every_json_value_as_its_text(given: bytes, text: str) -> None:
    (outcome,) = judge(b'{"meta":{"no":1,"when":{"ms":%d}},"kiosk":%s}' % (T, given))
    assert outcome.values is not None
    assert outcome.values["kiosk"] == text


@pytest.mark.parametrize(("given", "number"), [
    ("12", 12), ("-3", -3), ("9007199254740991", 2**53 - 1), ("-9007199254740991", 1 - 2**53), ("1e3", 1000),
    ("12.0", 12), ("true", 1), ("false", 0),
    ('"12"', 12), ('"+5"', 5), ('"007"', 7), ('"1e3"', 1000), ('"5."', 5), ('"2.50e1"', 25),
    ('"-9007199254740991"', 1 - 2**53),
])
def test_integers_read_whole_numbers_and_plain_decimal_text(given: str, number: int) -> None:
    assert values(cents=json.loads(given))["cents"] == number


@pytest.mark.parametrize("given", [
    "1.5", '".5"', '"1.5"', '""', '" 12"', '"12 "', '"0x10"', '"1_000"', '"nan"', '"inf"', '"１２"', '"1e999"', '"-"',
    "[]", "{}", "9007199254740992", "-9007199254740992", '"9007199254740992"',
    "18446744073709551616", "1e300", "123456789012345678901234567890",
])
def test_anything_else_is_no_integer(given: str) -> None:
    assert reason(reading(cents=json.loads(given))) == "bad_field"
    assert reason(reading(at=json.loads(given))) == "bad_field"


def test_numbers_read_as_integers_do_and_booleans_are_those_that_are_0_or_1() -> None:
    litres = [values(litres=good)["litres"] for good in (3, -1.5, "2.5", "+1e3", True, 2**80)]
    assert litres == [3.0, -1.5, 2.5, 1000.0, 1.0, 2.0**80]
    assert [reason(reading(litres=bad)) for bad in NO_NUMBERS] == ["bad_field"] * 7
    assert [values(sealed=good)["sealed"] for good in (True, False, 1, 0, "1", 1.0)] == [1, 0, 1, 0, 1, 1]
    assert [reason(reading(sealed=bad)) for bad in NO_BOOLEANS] == ["bad_field"] * 6


@pytest.mark.parametrize("given", [None, b""])
def test_no_bytes_are_empty(given: bytes | None) -> None:
    assert reason(given) == "empty"


def test_size_is_judged_before_content_and_exactly_a_mebibyte_passes() -> None:
    assert reason(encoded(reading()).ljust(1_048_576)) == "counted"
    assert reason(encoded(reading()).ljust(1_048_577)) == "too_large"
    assert reason(b"x" * 1_048_577) == "too_large"


@pytest.mark.parametrize("given", [
    b" ", b"[]", b"null", b"12", b"{", b"{}{}", b"{} x", b"\xef\xbb\xbf{}", b"{'a':1}", b'{"a":1,}',
    "{}".encode("utf-16"), b'{"a":"\n"}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}',
    raw("NaN"), raw("Infinity"), raw("-Infinity"), raw("1e999"), raw("1E400"),
    raw("01"), raw('"\\ud800"'), raw('"\\udc00"'), raw('"\\ud83d\\u0041"'),
    raw("[" * 5000 + "]" * 5000), raw('{"a":' * 5000 + "1" + "}" * 5000),
])
def test_what_is_no_json_object(given: bytes) -> None:
    assert reason(given) == "not_json"


@pytest.mark.parametrize("fragment", [
    "9" * 300, "9" * 400, "-" + "9" * 5000, "1e308", "[" * 900 + "]" * 900,
    '"[[[["', '"\\\\ud800"', '"\\ud83d\\uded2"', '"\\"["',
])
def test_what_looks_odd_and_is_json(fragment: str) -> None:
    assert reason(raw(fragment)) == "counted"


def test_the_first_of_two_equal_names_counts() -> None:
    assert judge(encoded(reading())[:-1] + b',"kiosk":"second"}')[0].values["kiosk"] == "k1"  # type: ignore[index]
    assert reason(b'{"meta":{},' + encoded(reading())[1:]) == "missing_field"


def test_missing_fields_come_before_bad_ones_wherever_they_stand() -> None:
    assert reason(reading(kiosk="")) == "missing_field"
    assert reason(reading(kiosk=None)) == "missing_field"
    assert reason({"kiosk": "k", "cents": "x", "meta": {"no": 1}}) == "missing_field"
    assert reason(reading(no="")) == "bad_field"
    assert reason(reading(cents="x", kind="odd")) == "bad_field"
    assert reason(reading(kind="odd", at=0)) == "unknown_value"
    assert reason(reading(kind="Sale")) == "unknown_value"


def test_event_times_end_at_2000_and_at_the_future_cap() -> None:
    assert reason(reading(at=946_684_799_999)) == "time_out_of_range"
    assert reason(reading(at=946_684_800_000)) == "counted"
    assert reason(reading(at=NOW + 60_000)) == "counted"
    assert reason(reading(at=NOW + 60_001)) == "future"


def test_a_pane_takes_events_until_the_watermark_passes_its_end_by_the_lateness() -> None:
    # pane [T, T+10 s) ends at T+10 s; lateness 60 s, disorder 2 s: closed once an event of T+72 s was seen
    assert verdicts(reading(1, T + 72 * S - 1), reading(2, T)) == ["counted", "counted"]
    late = verdicts(reading(1, T + 72 * S), reading(2, T + 10 * S - 1), reading(3, T + 10 * S))
    assert late == ["counted", "too_late", "counted"]


def test_dead_records_do_not_move_the_watermark_and_duplicates_do() -> None:
    assert verdicts(reading(1), reading(2, T + 72 * S, kind="odd"), reading(3)) == ["counted", "dead", "counted"]
    assert verdicts(reading(1), reading(1, T + 72 * S), reading(3)) == ["counted", "duplicate", "too_late"]


def test_a_duplicate_has_every_key_field_equal_as_typed() -> None:
    found = verdicts(reading(1), reading("1"), reading(1.0), reading(1, kiosk="k2"), reading(2))
    assert found == ["counted", "duplicate", "duplicate", "counted", "counted"]
    assert verdicts(*[{"at": T, "kiosk": "k", "visitor": "v"}] * 2, event="visits") == ["counted", "counted"]


def test_a_key_is_forgotten_once_the_watermark_has_passed_its_time_by_the_horizon() -> None:
    later = T + 3600 * S + 2 * S  # horizon 1 h, disorder 2 s
    assert verdicts(reading(1), reading(2, later - 1), reading(1, later - 1)) == ["counted", "counted", "duplicate"]
    forgotten = verdicts(reading(1), reading(2, later), reading(1, later), reading(1, later))
    assert forgotten == ["counted", "counted", "counted", "duplicate"]
    assert verdicts(reading(1), reading(1, later)) == ["counted", "counted"]


def test_duplicate_is_judged_before_too_late_and_too_late_is_not_remembered() -> None:
    assert verdicts(reading(1), reading(2, T + 72 * S), reading(1)) == ["counted", "counted", "duplicate"]
    assert verdicts(reading(2, T + 72 * S), reading(1), reading(1, T + 72 * S)) == ["counted", "too_late", "counted"]


def test_keys_hold_across_partitions_of_a_lane_and_watermarks_do_not() -> None:
    lane = ReferenceLane(REGISTRY)
    lane.feed("readings", 0, [(0, encoded(reading(1, T + 72 * S)))], NOW)
    (outcome,) = lane.feed("readings", 1, [(7, encoded(reading(2)))], NOW)
    (again,) = lane.feed("readings", 1, [(8, encoded(reading(1)))], NOW)
    assert (outcome.offset, outcome.verdict, again.verdict) == (7, "counted", "duplicate")


def test_counts_add_up_and_carry_the_watermark() -> None:
    lane = ReferenceLane(REGISTRY)
    judge(reading(1, T + 72 * S), reading(1), reading(2), b"", reading(3, T + 71 * S), lane=lane)
    assert lane.counts() == {("readings", 0): Counts(5, 2, 1, 1, 1, max_event_ms=T + 72 * S, watermark_ms=T + 70 * S)}


def test_cells_hold_every_measure_of_every_grain_by_hand() -> None:
    lane = ReferenceLane(REGISTRY)
    judge(
        reading(1, T - 1, kind="sale", cents=100, litres=1.5, body={"flavour": "奶茶A"}),
        reading(2, T, kind="sale", cents=250, body={"flavour": "奶茶A"}, grade="PLAIN"),
        reading(3, T + 1, kind="return", cents=30, sealed=False, body={"flavour": "奶茶B"}),
        reading(4, T + 1, kind="sale", cents=1000, weight=200, body={"cold": True, "flavour": "x"}), lane=lane)
    judge(*({"at": T, "kiosk": "k1", "visitor": visitor} for visitor in (5, "5")), event="visits", lane=lane)
    cells = lane.cells()
    today = {
        "readings": 3, "sales": 1250, "net": 220, "litres": 0.75, "sealed": 2, "pairs": 2, "flavours": 3, "visits": 2,
        "visitors": 1,
    }
    assert cells["total", "10s", T, ()] == cells["total", "1d", T, ()] == today
    assert cells["total", "1d", T - 86_400_000, ()] == {
        "readings": 1, "sales": 100, "net": 100, "litres": 1.5, "sealed": 1, "pairs": 1, "flavours": 1, "visits": 0,
        "visitors": 0}
    # midnight in Kathmandu is 18:15 UTC, inside an hour
    assert cells["total", "1h", T - 900_000, ()]["readings"] == 4
    assert cells["by_kind", "1d", T, ("sale",)] == {"readings": 2, "litres": 0.5}
    assert cells["by_kiosk_flavour", "1h", T - 900_000, ("k1", "奶茶A")] == {"readings": 2, "sales": 350}
    assert "visits" not in cells["by_kiosk_flavour", "1h", T - 900_000, ("k1", "奶茶A")]


def test_business_days_begin_at_the_first_instant_of_a_day_without_midnight() -> None:
    # Santiago went from 24:00 (-04) to 01:00 (-03) on 2024-09-08; the day begins at 04:00 UTC
    assert pane_starts(1_725_800_000_000, ZoneInfo("America/Santiago"))["1d"] == 1_725_768_000_000
    assert pane_starts(-1, ZoneInfo("UTC")) == {"10s": -10_000, "1h": -3_600_000, "1d": -86_400_000}
