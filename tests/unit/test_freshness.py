"""Frontiers, and the state that a figure tells of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.alignment import reading_of
from api.figures import Truth, evaluate, figure, staleness
from api.freshness import TopicFreshness, by_topic, lowest_frontier
from api.ledger_view import LedgerView
from api.scope import OutOfScope, Scope
from api.windows import Window
from metric_defs import Registry, load_registry
from sinks.clickhouse.ledger import LedgerEntry, LedgerSums

NOW = 1_772_400_000_000
ENTRY = LedgerEntry("t", 0, 0, 10, 10, 7, 1, 1, 1, NOW - 3_000, NOW - 8_000, 14, NOW - 8_000, "w", NOW - 500)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def topics(registry: Registry, **frontiers: int | None) -> dict[str, TopicFreshness]:
    return {
        registry.events[e].topic: TopicFreshness(registry.events[e].topic, 1, f, f, 0, NOW)
        for e, f in frontiers.items()
    }


def test_a_topic_is_as_far_as_its_slowest_partition() -> None:
    slow = replace(ENTRY, partition=1, frontier=NOW - 60_000, watermark=NOW - 60_000, end_offset=110)
    found = by_topic([ENTRY, slow])["t"]
    assert found == TopicFreshness("t", 2, NOW - 60_000, NOW - 60_000, 4 + 100, NOW - 500)
    assert found.age_ms(NOW) == 60_000


def test_a_partition_without_a_record_has_no_frontier_until_it_is_idle() -> None:
    empty = replace(ENTRY, partition=1, frontier=-(2**62), watermark=-(2**62) - 5_000)
    assert by_topic([ENTRY, empty])["t"].frontier_ms is None
    assert by_topic([ENTRY, empty])["t"].watermark_ms == NOW - 8_000
    idle = replace(empty, frontier=NOW - 10_000)
    assert by_topic([ENTRY, idle])["t"].frontier_ms == NOW - 10_000


def test_of_two_lanes_with_the_same_partition_the_further_one_counts() -> None:
    old = replace(ENTRY, next_offset=5, frontier=NOW - 90_000)
    assert by_topic([old, ENTRY]) == by_topic([ENTRY, old]) == by_topic([ENTRY])


def test_the_lowest_frontier_needs_all_topics() -> None:
    known = by_topic([ENTRY, replace(ENTRY, topic="u", frontier=NOW)])
    assert lowest_frontier(["t", "u"], known) == NOW - 8_000
    assert lowest_frontier(["t", "never"], known) is None
    assert lowest_frontier([], known) is None


def test_a_ledger_view_adds_what_is_new() -> None:
    first = LedgerView().with_new(
        [LedgerSums("4-0", 3, ENTRY, 10, 7, 1, 1, 1), LedgerSums("4-1", 9, ENTRY, 1, 1, 0, 0, 0)]
    )
    later = replace(ENTRY, next_offset=20)
    view = first.with_new([LedgerSums("4-0", 5, later, 4, 4, 0, 0, 0)])
    assert view.heads == {"4-0": 5, "4-1": 9}
    assert view.counts()["t"] == {"read": 15, "counted": 12, "duplicate": 1, "too_late": 1, "dead": 1}
    assert later in view.entries
    assert first.heads == {"4-0": 3, "4-1": 9}


def test_a_ratio_of_two_events_is_read_up_to_the_slower(registry: Registry) -> None:
    window = Window("1h", NOW - 3_600_000, NOW)
    fresh = topics(registry, orders=NOW + 1, page_views=NOW - 25_000)
    ratio = reading_of(registry, "pay_cvr", window, fresh)
    assert (ratio.window.end_ms, ratio.aligned_to_ms) == (NOW - 30_000, NOW - 30_000)
    assert reading_of(registry, "pay_amt", window, fresh).aligned_to_ms is None
    assert reading_of(registry, "aov", window, fresh).window == window
    ahead = topics(registry, orders=NOW + 1, page_views=NOW)
    assert reading_of(registry, "pay_cvr", window, ahead).aligned_to_ms is None
    behind = reading_of(registry, "pay_cvr", window, topics(registry, orders=NOW, page_views=NOW - 4_000_000))
    assert behind.window.empty


def test_values_are_plain_arithmetic(registry: Registry) -> None:
    assert evaluate(registry, "pay_amt", {"paid_amount": 5}).value == 5
    assert evaluate(registry, "pay_amt", {}).value == 0
    ratio = evaluate(registry, "aov", {"paid_amount": 10, "paid_people": 4})
    assert (ratio.value, ratio.numerator, ratio.denominator) == (2.5, 10, 4)
    assert evaluate(registry, "aov", {"paid_amount": 10}).value is None
    assert evaluate(registry, "gpm", {"live_paid_amount": 50, "live_entries": 100}).value == 500


def test_a_figure_tells_its_truth(registry: Registry) -> None:
    frontier = NOW - 2_000
    truth = Truth(NOW, NOW - 100, topics(registry, orders=frontier, page_views=frontier - 9_000), 30_000, "", "s1")
    window = Window("5m", NOW - 300_000, NOW)
    amount = figure(
        registry, "pay_amt", {"paid_amount": 7}, window, reading_of(registry, "pay_amt", window, truth.freshness), truth
    )
    body = amount.body()
    assert body["value"] == 7
    assert (body["unit"], body["currency"], body["exact"]) == ("money", "CNY", True)
    assert (body["definition"], body["status"], body["complete"], body["stale"]) == (
        "pay_amt@1",
        "provisional",
        False,
        False,
    )
    assert body["freshness_ms"] == 2_000
    assert "numerator" not in body
    ratio = figure(
        registry,
        "pay_cvr",
        {"paid_people": 1, "visitors": 4},
        window,
        reading_of(registry, "pay_cvr", window, truth.freshness),
        truth,
    )
    told = ratio.body()
    assert (told["value"], told["numerator"], told["denominator"], told["exact"]) == (0.25, 1, 4, False)
    assert told["relative_error"] == 0.003
    assert told["freshness_ms"] == 11_000
    assert told["aligned_to"] is not None


def test_a_figure_is_final_when_nothing_can_change_it(registry: Registry) -> None:
    lateness = registry.events["orders"].allowed_lateness
    window = Window("", NOW - 60_000, NOW)
    reading = reading_of(registry, "pay_amt", window, {})
    for frontier, status in ((NOW + lateness - 1, "provisional"), (NOW + lateness, "final")):
        truth = Truth(NOW + lateness, NOW, topics(registry, orders=frontier), 30_000)
        assert figure(registry, "pay_amt", None, window, reading, truth).body()["status"] == status


def test_stale_says_why(registry: Registry) -> None:
    truth = Truth(NOW, NOW, {}, 30_000)
    assert staleness(NOW - 30_000, truth).reason == ""
    assert staleness(NOW - 30_001, truth).reason == "behind"
    assert "30.0 s behind" in staleness(NOW - 30_001, truth).detail
    assert staleness(None, truth).reason == "never_counted"
    assert staleness(NOW, replace(truth, problem="gone")).reason == "store_unreachable"


def test_a_scope_narrows_filters() -> None:
    assert Scope.all().narrow({"shop": ("a",)}) == {"shop": ("a",)}
    scope = Scope({"shop": frozenset({"a", "b"})})
    assert scope.narrow({}) == {"shop": ("a", "b")}
    assert scope.narrow({"shop": ("c", "b"), "x": ("y",)}) == {"shop": ("b",), "x": ("y",)}
    with pytest.raises(OutOfScope):
        scope.narrow({"shop": ("c",)})
