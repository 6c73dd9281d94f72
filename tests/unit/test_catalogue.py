"""The built-in catalogue: it loads, says what it must in both languages, and can be answered."""

from __future__ import annotations

import re

import pytest

from metric_defs import Registry, load_registry

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_it_is_as_rich_as_promised(registry: Registry) -> None:
    assert set(registry.events) == {"orders", "page_views", "live_events"}
    assert len(registry.metrics) >= 30
    assert len(registry.cubes) >= 8
    assert {m.type for m in registry.metrics.values()} == {"simple", "ratio"}
    functions = {m.aggregate.function for m in registry.measures.values()}
    assert functions == {"count", "sum", "uniqExact", "uniqCombined64"}
    assert {d for c in registry.cubes.values() for d in c.dimensions} == {
        "shop_id",
        "channel",
        "campaign_id",
        "item_id",
        "room_id",
    }


def test_every_metric_says_what_it_is_in_both_languages(registry: Registry) -> None:
    for code, metric in registry.metrics.items():
        assert CHINESE.search(metric.name.zh), code
        assert CHINESE.search(metric.description.zh), code
        assert not CHINESE.search(metric.name.en + metric.description.en), code
        assert min(len(metric.description.zh), len(metric.description.en) // 3) >= 10, code
        assert metric.owner in {"traffic", "trade", "finance", "live"}, code
        assert metric.source.startswith("kpi: ") or metric.source == "own", code
    for event in registry.events.values():
        assert CHINESE.search(event.description.zh)
        assert event.description.en


def test_an_approximate_figure_says_so_and_an_exact_one_does_not(registry: Registry) -> None:
    for code, metric in registry.metrics.items():
        approximate = any(not registry.measures[m].exact for m in registry.measures_of_metric(code))
        assert ("0.3 %" in metric.description.en) is approximate, code
        assert ("0.3 %" in metric.description.zh) is approximate, code


def test_every_metric_is_answered_by_a_cube_for_each_of_its_dimensions(registry: Registry) -> None:
    for code, metric in registry.metrics.items():
        measures = registry.measures_of_metric(code)
        assert registry.cube_for(measures, frozenset()) is not None, code
        for dimension in metric.dimensions:
            assert registry.cube_for(measures, frozenset({dimension})) is not None, (code, dimension)


def test_distinct_counts_over_orders_are_never_kept_per_item(registry: Registry) -> None:
    """Their states are most of what a flush carries."""
    for name in registry.cubes:
        if {"item_id", "room_id"} & set(registry.cubes[name].dimensions):
            costly = [m for m in registry.measures_in_cube(name, "orders") if not m.additive]
            assert {m.measure.measure for m in costly} <= {"live_paid_people"}, name


def test_distinct_people_are_never_additive(registry: Registry) -> None:
    for code, metric in registry.metrics.items():
        if metric.unit == "people":
            assert {registry.additivity(code, d) for d in (*metric.dimensions, "time")} == {"non_additive"}, code


@pytest.mark.parametrize(
    ("code", "dimension", "expected"),
    [
        ("pay_amt", "shop_id", "additive"),
        ("pay_amt", "time", "additive"),
        ("pay_orders", "shop_id", "additive"),
        ("order_cnt", "channel", "additive"),
        ("order_cnt", "time", "non_additive"),
        ("active_shops", "channel", "non_additive"),
        ("aov", "shop_id", "non_additive"),
    ],
)
def test_additivity(registry: Registry, code: str, dimension: str, expected: str) -> None:
    assert registry.additivity(code, dimension) == expected


@pytest.mark.parametrize(
    ("code", "parts", "scale", "unit"),
    [
        ("pay_cvr", ("paid_people", "visitors"), 1, "percent"),
        ("aov", ("paid_amount", "paid_people"), 1, "money"),
        ("gpm", ("live_paid_amount", "live_entries"), 1000, "money"),
        ("watch_avg", ("live_watched_ms", "live_viewers"), 1, "ms"),
        ("pv_per_uv", ("views", "visitors"), 1, "per_unit"),
        ("item_ctr_viewers", ("live_item_clicking_people", "live_viewers"), 1, "percent"),
        ("item_ctr_exposed", ("live_item_clicking_people", "live_item_exposed_people"), 1, "percent"),
    ],
)
def test_a_ratio_is_made_of_what_its_name_says(
    registry: Registry, code: str, parts: tuple[str, ...], scale: int, unit: str
) -> None:
    assert registry.measures_of_metric(code) == parts
    assert (registry.metrics[code].scale, registry.metrics[code].unit) == (scale, unit)


def test_paid_amount_does_not_know_of_refunds(registry: Registry) -> None:
    assert registry.measures["paid_amount"].condition.sql == "type = 'paid'"
    assert registry.measures["live_paid_amount"].condition.sql == "(type = 'paid') AND (room_id <> '')"
