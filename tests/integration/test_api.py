"""The api over a real store: every figure equals a plain sum, whatever is asked is answered or refused in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.business_days import day_floor
from api.options import ApiOptions
from api.snapshot_loop import LoopOptions
from metric_defs import Registry, load_registry
from sinks.clickhouse.client import ClickHouse, StoreConnection
from tests.support.api_process import Api, Reply, serving
from tests.support.days import Day, Record, make_day
from tests.support.fill import Filler
from tests.support.store_process import running_store
from tests.support.wait import wait_until

pytestmark = pytest.mark.store
BASE = 1_772_368_503_217  # 2026-03-01T20:35:03.217+08:00
ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = day_floor(BASE, ZONE)


def running_clock() -> Any:
    """A clock that stands at BASE now."""
    started = time.monotonic()
    return lambda: BASE + int((time.monotonic() - started) * 1000)


@dataclass(frozen=True, slots=True)
class World:
    """A filled store, the api over it, and what was put in."""

    api: Api
    day: Day
    store: ClickHouse
    registry: Registry


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def within(record: Record, window: dict[str, str]) -> bool:
    return ms(window["start"]) <= record["event_time"] < ms(window["end"])


def is_paid(record: Record) -> bool:
    return bool(record["type"] == "paid")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    registry = load_registry()
    with running_store(tmp_path_factory.mktemp("store")) as process:
        connection = StoreConnection(f"http://127.0.0.1:{process.port}")
        store = ClickHouse(connection)
        filler = Filler(store, registry)
        day = make_day(BASE)
        old = [
            {**o, "event_id": f"old{i}", "event_time": o["event_time"] - 86_400_000}
            for i, o in enumerate(day.orders[:50])
        ]
        bad = [day.orders[0], b"no json", b"{}"]
        filler.send({"orders": [*old, *day.orders[:300]]}, BASE)
        filler.send(
            {"orders": [*day.orders[300:], *bad], "page_views": day.views, "live_events": day.live}, BASE, behind=5
        )
        day = Day(BASE, [*old, *day.orders], day.views, day.live)
        options = ApiOptions(
            registry, connection, version="1.2.3", loop=LoopOptions(tick_ms=100, stale_after_ms=600_000)
        )
        with serving(options, clock=running_clock()) as api:
            wait_until(lambda: api.get("/readyz").status == 200, 20, "figures are there")
            yield World(api, day, store, registry)
        filler.close()


def one(world: World, metric: str, **query: Any) -> dict[str, Any]:
    (figure,) = world.api.figures(metrics=metric, **query)
    return figure


@pytest.mark.parametrize("window", ["today", "1h", "5m", "1m"])
def test_hot_figures_are_plain_sums(world: World, window: str) -> None:
    for shop in (None, "s0", "s3", "nowhere"):
        figures = world.api.figures(
            metrics="pay_amt,pay_buyers,pay_suborders,uv,aov", window=window, **({"shop_id": shop} if shop else {})
        )
        amount, buyers, lines, visitors, aov = figures
        kept = [
            o for o in world.day.orders if is_paid(o) and within(o, amount["window"]) and shop in (None, o["shop_id"])
        ]
        assert amount["value"] == sum(o["amount"] for o in kept)
        assert buyers["value"] == len({o["user_id"] for o in kept})
        assert lines["value"] == len(kept)
        here = [v for v in world.day.views if within(v, visitors["window"]) and shop in (None, v["shop_id"])]
        people = world.day.people(here, lambda v: v["type"] == "view")
        assert abs(visitors["value"] - people) <= 0.02 * people
        assert (visitors["exact"], buyers["exact"]) == (False, True)
        assert (aov["numerator"], aov["denominator"]) == (amount["value"], buyers["value"])
        assert aov["value"] == (amount["value"] / buyers["value"] if buyers["value"] else None)
        assert amount["keys"] == ({"shop_id": shop} if shop else {})


def test_several_keys_are_answered_one_by_one(world: World) -> None:
    figures = world.api.figures(metrics="pay_amt,uv", shop_id=["s1", "s0"])
    assert [(f["metric"], f["keys"]["shop_id"]) for f in figures] == [
        ("pay_amt", "s1"),
        ("pay_amt", "s0"),
        ("uv", "s1"),
        ("uv", "s0"),
    ]


def test_a_ratio_of_two_events_stops_where_the_slower_one_is(world: World) -> None:
    ratio = one(world, "pay_cvr")
    cut = ms(ratio["aligned_to"])
    assert cut % 10_000 == 0
    assert cut <= BASE - 11_000
    assert ratio["numerator"] == world.day.people(
        world.day.orders, lambda o: is_paid(o) and MIDNIGHT <= o["event_time"] < cut
    )
    assert ratio["frontier"] is not None
    assert ratio["freshness_ms"] >= 11_000
    (short,) = world.api.figures(metrics="pay_cvr", window="1m", shop_id="s0")
    end = ms(short["aligned_to"])
    assert short["numerator"] == world.day.people(
        world.day.orders,
        lambda o: is_paid(o) and o["shop_id"] == "s0" and ms(short["window"]["start"]) <= o["event_time"] < end,
    )


def test_cold_figures_are_the_same_as_hot_ones(world: World) -> None:
    at = datetime.fromtimestamp(BASE / 1000 + 0.001, UTC).isoformat()
    codes = "pay_amt,pay_buyers,uv,refund_rate_live,live_uv"
    for query in ({}, {"shop_id": "s0"}):
        hot, cold = world.api.figures(metrics=codes, **query), world.api.figures(metrics=codes, as_of=at, **query)
        assert [f["value"] for f in hot] == [f["value"] for f in cold]
        assert {f["snapshot"] is None for f in hot} == {False}
        assert {f["snapshot"] for f in cold} == {None}


def test_total_is_everything(world: World) -> None:
    figures = world.api.figures(metrics="pay_amt,pay_buyers", window="total")
    assert figures[0]["value"] == world.day.sum("amount", is_paid)
    assert figures[1]["value"] == world.day.people(world.day.orders, is_paid)
    assert figures[0]["window"] == {"name": "total", "start": None, "end": None}


def test_figures_are_cut_by_other_dimensions(world: World) -> None:
    figures = world.api.figures(metrics="pay_amt,pay_suborders", shop_id=["s0", "s1"], item_id=["i0", "i2"])
    assert len(figures) == 8
    for figure in figures:
        kept = [
            o
            for o in world.day.orders
            if is_paid(o) and o["event_time"] >= MIDNIGHT and all(o[d] == v for d, v in figure["keys"].items())
        ]
        assert figure["value"] == (sum(o["amount"] for o in kept) if figure["metric"] == "pay_amt" else len(kept))
    by_room = one(world, "live_pay_amt", room_id="r1")
    assert by_room["value"] == world.day.sum(
        "amount", lambda o: is_paid(o) and o["room_id"] == "r1" and o["event_time"] >= MIDNIGHT
    )


@pytest.mark.parametrize("step", ["5m", "1h", "10m"])
def test_a_series_is_cut_without_loss(world: World, step: str) -> None:
    reply = world.api.get("/v1/series", {"metrics": "pay_amt,aov", "step": step, "group_by": "shop_id"}).json()
    assert ms(reply["from"]) == MIDNIGHT
    length = {"5m": 300_000, "10m": 600_000, "1h": 3_600_000}[step]
    lines = [s for s in reply["series"] if s["metric"] == "pay_amt"]
    paid_today = [o for o in world.day.orders if is_paid(o) and o["event_time"] >= MIDNIGHT]
    everything = [*world.day.orders, *world.day.views, *world.day.live]
    today = sorted({r["shop_id"] for r in everything if r["event_time"] >= MIDNIGHT})
    assert [s["keys"]["shop_id"] for s in lines] == today
    for line in lines:
        expected: dict[int, int] = {}
        for o in paid_today:
            if o["shop_id"] == line["keys"]["shop_id"]:
                start = MIDNIGHT + (o["event_time"] - MIDNIGHT) // length * length
                expected[start] = expected.get(start, 0) + o["amount"]
        assert {ms(p["start"]): p["value"] for p in line["points"] if p["value"]} == expected
    assert {p["status"] for p in lines[0]["points"]} == {"final", "provisional"}


def test_a_series_by_business_day(world: World) -> None:
    query = {"metrics": "pay_amt", "step": "1d", "from": "2026-02-27T12:00:00+08:00", "to": "2026-03-01T13:00:00+08:00"}
    reply = world.api.get("/v1/series", query).json()
    points = reply["series"][0]["points"]
    assert [ms(p["start"]) for p in points] == [MIDNIGHT - 2 * 86_400_000, MIDNIGHT - 86_400_000, MIDNIGHT]
    yesterday = world.day.sum("amount", lambda o: is_paid(o) and o["event_time"] < MIDNIGHT)
    assert [p["value"] for p in points] == [0, yesterday, world.day.sum("amount", is_paid) - yesterday]
    assert points[0]["status"] == "final"


def test_a_ranking_is_sorted_and_knows_no_blank_key(world: World) -> None:
    for dimension, extra in (("item_id", {}), ("channel", {}), ("item_id", {"shop_id": "s1"})):
        reply = world.api.get("/v1/top", {"metric": "pay_amt", "dimension": dimension, "n": "5", **extra}).json()
        sums: dict[str, int] = {}
        for o in world.day.orders:
            if is_paid(o) and o["event_time"] >= MIDNIGHT and o[dimension] and all(o[d] == v for d, v in extra.items()):
                sums[o[dimension]] = sums.get(o[dimension], 0) + o["amount"]
        expected = sorted(sums.items(), key=lambda kv: (-kv[1], kv[0]))[:5]
        assert [(f["keys"][dimension], f["value"]) for f in reply["figures"]] == expected
        assert [f["rank"] for f in reply["figures"]] == list(range(1, len(expected) + 1))
    ratio = world.api.get("/v1/top", {"metric": "aov", "dimension": "shop_id"}).json()["figures"]
    values = [f["value"] for f in ratio]
    assert values == sorted(values, reverse=True)


def test_status_tells_what_became_of_every_record(world: World) -> None:
    reply = world.api.get("/v1/status").json()
    orders = next(t for t in reply["topics"] if t["event"] == "orders")
    assert orders["records"] == {"read": 653, "counted": 650, "duplicate": 1, "too_late": 0, "dead": 2}
    assert (orders["lag"], orders["partitions"]) == (5, 1)
    assert orders["freshness_ms"] >= 11_000
    assert reply["store"] == {"reachable": True, "problem": None}
    assert reply["snapshot"]["age_ms"] < 60_000


def test_probes_version_and_exposition(world: World) -> None:
    assert world.api.get("/livez").json() == {"status": "alive"}
    assert world.api.get("/healthz").status == 200
    assert world.api.get("/version").json() == {
        "version": "1.2.3",
        "registry": "metricgrid",
        "fingerprint": world.registry.fingerprint,
    }
    world.api.get("/v1/metrics/pay_amt")
    text = world.api.get("/metrics").body.decode()
    assert 'metricgrid_api_request_seconds_count{route="/v1/metrics/{code}",status="200"}' in text
    assert 'metricgrid_lag_records{topic="shop.orders.v1"} 5.0' in text
    assert "metricgrid_api_snapshot_age_seconds" in text
    assert "metricgrid_api_snapshot_build_seconds_count" in text


def test_the_description_names_every_route_and_dimension(world: World) -> None:
    described = world.api.get("/openapi.json").json()
    assert {
        "/v1/live",
        "/v1/series",
        "/v1/top",
        "/v1/status",
        "/v1/metrics",
        "/v1/metrics/{code}",
        "/livez",
        "/readyz",
    } <= set(described["paths"])
    live = described["paths"]["/v1/live"]["get"]
    assert {p["name"] for p in live["parameters"]} >= {"metrics", "window", "shop_id", "room_id"}
    assert live["parameters"][0]["example"]
    assert "application/problem+json" in live["responses"]["422"]["content"]


def test_an_answer_one_has_already_is_not_sent_again(world: World) -> None:
    def again() -> Reply | None:
        first = world.api.get("/v1/live", {"metrics": "pay_amt"})
        second = world.api.get("/v1/live", {"metrics": "pay_amt"}, {"If-None-Match": first.headers["etag"]})
        return second if second.status == 304 else None  # a new snapshot may have come between the two

    second = wait_until(again, 10, "304 Not Modified")
    assert second is not None
    assert second.body == b""
    assert "no-cache" in second.headers["cache-control"]


def test_a_caller_may_demand_freshness(world: World) -> None:
    query = {"metrics": "pay_amt", "max_staleness_ms": "1000"}
    lax = world.api.get("/v1/live", query)
    assert lax.status == 200
    assert (lax.json()["stale"], lax.json()["stale_reason"]) == (True, "behind")
    assert lax.json()["figures"][0]["stale"] is True
    strict = world.api.get("/v1/live", {**query, "strict": "true"})
    assert strict.status == 503
    assert strict.headers["retry-after"] == "1"
    assert "behind" in strict.json()["detail"]
    assert (
        world.api.get("/v1/live", {"metrics": "pay_amt", "max_staleness_ms": "9000000", "strict": "true"}).status == 200
    )


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/live?metrics=pay_amd", 422, "did you mean 'pay_amt'?"),
        ("/v1/live", 422, "'metrics' is missing"),
        ("/v1/live?metrics=pay_amt&window=yesterday", 422, "there is no window 'yesterday'"),
        ("/v1/live?metrics=pay_amt&shopid=1", 422, "did you mean 'shop_id'?"),
        ("/v1/live?metrics=pay_amt&item_id=1&room_id=1", 422, "not cut by 'room_id'"),
        ("/v1/live?metrics=pay_amt&item_id=1&channel=1", 422, "no stored cube"),
        ("/v1/live?metrics=pay_amt&as_of=2200-01-01T00:00:00Z", 422, "outside the years"),
        ("/v1/live?metrics=pay_amt&as_of=2099-01-01T00:00:00Z", 422, "lies in the future"),
        ("/v1/series?metrics=pay_amt&step=7s", 422, "multiple of 10s"),
        ("/v1/series?metrics=pay_amt&from=2026-03-01T00:00:00Z&to=2026-02-01T00:00:00Z", 422, "before 'to'"),
        ("/v1/series?metrics=pay_amt&from=2020-01-01T00:00:00Z&step=10s", 422, "more than 11000 points"),
        ("/v1/series?metrics=pay_amt&group_by=user_id", 422, "there is no dimension 'user_id'"),
        ("/v1/top?metric=pay_amt&dimension=room_id", 422, "not cut by 'room_id'"),
        ("/v1/top?metric=pay_amt&dimension=item_id&n=0", 422, "from 1 to 1000"),
        ("/v1/metrics/nothing", 404, "there is no metric 'nothing'"),
        ("/v1/metrics?unit=monney", 422, "did you mean 'money'?"),
        ("/v2/live", 404, "nothing at this address"),
        ("/web/../app.py", 404, "nothing at this address"),
    ],
)
def test_refusals_say_what_is_allowed(world: World, path: str, status: int, words: str) -> None:
    reply = world.api.get(path)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert words in reply.json()["detail"]
    assert reply.json()["status"] == status
    assert b"Traceback" not in reply.body


def test_other_methods_are_refused(world: World) -> None:
    reply = world.api.get("/v1/live", method="POST")
    assert (reply.status, reply.headers["content-type"]) == (405, "application/problem+json")
    assert "GET" in reply.headers["allow"]


ODD = [
    *"'\"`\\%\n\t\x00\x7f🛒\ufeff[] ٣",
    "'; DROP TABLE panes; --", "{f0:String}", "', ''); SELECT 1", "a'b\\'c", "../../etc/passwd", "<img src=x onerror=alert(1)>",
    "NULL", "-1", "1e999", "0x10", "9" * 400, "a,b", "$(id)", "\\N", "\\x41",
]  # fmt: skip
ASKED = {
    "/v1/live": {
        "metrics": "pay_amt", "window": "today", "shop_id": "s0", "item_id": "i0", "max_staleness_ms": "1", "strict": "false",
        "as_of": "2026-03-01T00:00:00Z",
    },
    "/v1/series": {
        "metrics": "pay_amt", "from": "2026-03-01T00:00:00Z", "to": "2026-03-01T01:00:00Z", "step": "1m", "group_by": "shop_id",
        "channel": "x",
    },
    "/v1/top": {"metric": "pay_amt", "dimension": "item_id", "n": "3", "window": "1h", "shop_id": "s0"},
    "/v1/metrics": {"q": "pay", "unit": "money", "owner": "trade"},
}  # fmt: skip


@pytest.mark.parametrize("path", ASKED)
def test_no_text_breaks_a_question(world: World, path: str) -> None:
    for name in ASKED[path]:
        for odd in ODD:
            reply = world.api.get(path, {**ASKED[path], name: odd})
            assert reply.status in (200, 422), (name, odd, reply.body)
            reply.json()
    for odd in ODD:
        assert world.api.get(path, {**ASKED[path], odd: "1"}).status == 422


def test_a_value_is_compared_as_it_is(world: World) -> None:
    for odd in ODD:
        if "\x00" not in odd:
            assert one(world, "pay_amt", item_id=odd, shop_id="s0")["value"] == 0
    assert world.store.rows("SELECT count() > 0 FROM panes") == [(1,)]


def test_business_days_are_the_stores(world: World) -> None:
    for zone in (
        "Asia/Shanghai",
        "Asia/Kathmandu",
        "America/Santiago",
        "America/Havana",
        "Australia/Lord_Howe",
        "Europe/Berlin",
    ):
        sql = (
            "SELECT toInt64(number * 7654321 + 1400000000) AS s, "
            f"toInt64(toUnixTimestamp(toStartOfDay(toDateTime(s, 'UTC'), '{zone}'))) FROM numbers(60)"
        )
        for second, start in world.store.rows(sql):
            assert day_floor(second * 1000, ZoneInfo(zone)) == start * 1000, (zone, second)
