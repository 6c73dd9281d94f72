"""Simulations: the same bytes for a seed, and a truth that a plain recount by docs/semantics.md finds too."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from deploy.feed.errors import SimulationError
from deploy.feed.simulate import Record, SimulationOptions, Truth, in_order, simulate
from deploy.feed.simulate.truth import TRUE_MEASURES
from metric_defs import Event, Registry, load_registry

PANE_MS = 10_000
HARSH = SimulationOptions(
    seed=3,
    events=12_000,
    shops=9,
    users=300,
    duration_ms=2_400_000,
    disorder_share=0.5,
    disorder_ms=300_000,
    duplicate_share=0.1,
    bad_share=0.1,
    late_share=0.1,
)
NOW_MS = HARSH.start_ms + HARSH.duration_ms


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def run(options: SimulationOptions, registry: Registry) -> tuple[list[Record], dict[str, Any]]:
    truth = Truth()
    records = [r for chunk in simulate(options, registry, truth) for r in in_order(chunk)]
    return records, truth.as_dict()


def judge(event: Event, value: bytes, now_ms: int) -> tuple[str, dict[str, Any]]:
    """The dead-letter rules in the order of the table; ('', row) for a good record."""
    if not value:
        return "empty", {}
    try:
        row = json.loads(value.decode("utf-8"))
    except ValueError:
        return "not_json", {}
    if not isinstance(row, dict):
        return "not_json", {}
    for name, spec in event.fields.items():
        if spec.required and row.get(name) in (None, ""):
            return "missing_field", {}
    for name, spec in event.fields.items():
        if spec.type in ("integer", "timestamp") and type(row.get(name, 0)) is not int:
            return "bad_field", {}
    for name, spec in event.fields.items():
        if spec.values and row[name] not in spec.values:
            return "unknown_value", {}
    if row[event.time] < 946_684_800_000:
        return "time_out_of_range", {}
    if row[event.time] > now_ms + event.future_cap:
        return "future", {}
    return "", row


def recount(
    records: list[Record], registry: Registry, partitions: int
) -> tuple[dict[str, Counter[str]], list[tuple[str, dict[str, Any]]]]:
    """A plain loop over the records as a worker would read them."""
    newest: dict[tuple[str, int], int] = {}
    seen: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counted = []
    for record in records:
        event = registry.events[record.event]
        place = (record.event, sum(record.key) % partitions)
        reason, row = judge(event, record.value, NOW_MS)
        if reason:
            outcomes[record.event]["dead"] += 1
            outcomes[record.event][reason] += 1
            continue
        newest[place] = max(newest.get(place, 0), row["event_time"])
        watermark = newest[place] - event.disorder
        if row["event_id"] in seen[place]:
            outcomes[record.event]["duplicate"] += 1
        elif row["event_time"] // PANE_MS * PANE_MS + PANE_MS + event.allowed_lateness <= watermark:
            outcomes[record.event]["too_late"] += 1
        else:
            seen[place].add(row["event_id"])
            outcomes[record.event]["counted"] += 1
            counted.append((record.event, row))
    return outcomes, counted


def value_of(name: str, rows: list[tuple[str, dict[str, Any]]]) -> int:
    measure = next(m for m in TRUE_MEASURES if m.name == name)
    mine = [
        r
        for e, r in rows
        if e == measure.event and r["type"] in measure.types and (not measure.having or measure.having in r)
    ]
    if measure.how == "count":
        return len(mine)
    return sum(r[measure.field] for r in mine) if measure.how == "sum" else len({r[measure.field] for r in mine})


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(registry: Registry) -> None:
    options = SimulationOptions(events=3_000)
    assert run(options, registry) == run(options, registry)
    assert [r.value for r in run(options, registry)[0]] != [r.value for r in run(replace(options, seed=2), registry)[0]]


def test_faults_do_not_change_the_journeys(registry: Registry) -> None:
    calm = replace(HARSH, disorder_share=0, duplicate_share=0, bad_share=0, late_share=0)
    assert run(calm, registry)[1]["total"] == run(HARSH, registry)[1]["total"]


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_a_plain_recount_finds_the_truth_whatever_the_partitions(registry: Registry, partitions: int) -> None:
    records, truth = run(HARSH, registry)
    outcomes, counted = recount(records, registry, partitions)
    for event, expected in truth["events"].items():
        found = outcomes[event]
        assert {k: found[k] for k in ("counted", "duplicate", "too_late", "dead")} == {
            k: expected[k] for k in ("counted", "duplicate", "too_late", "dead")
        }
        assert expected["read"] == sum(expected[k] for k in ("counted", "duplicate", "too_late", "dead"))
        assert {k: found[k] for k in expected["dead_reasons"]} == expected["dead_reasons"]
    for name, value in truth["total"].items():
        assert value_of(name, counted) == value, name
    by_shop = defaultdict(list)
    for event, row in counted:
        by_shop[row["shop_id"]].append((event, row))
    assert set(by_shop) == set(truth["shops"])
    for shop, values in truth["shops"].items():
        assert {name: value_of(name, by_shop[shop]) for name in values} == values


def test_each_fault_takes_place_in_about_its_share(registry: Registry) -> None:
    records, truth = run(HARSH, registry)
    total = Counter(r.outcome for r in records)
    assert total["counted"] == HARSH.events
    for outcome in ("duplicate", "too_late", "dead"):
        assert 0.08 < total[outcome] / HARSH.events < 0.12
    reasons = {reason for e in truth["events"].values() for reason in e["dead_reasons"]}
    assert reasons == {
        "empty",
        "not_json",
        "missing_field",
        "bad_field",
        "unknown_value",
        "future",
        "time_out_of_range",
    }
    displaced = sum(r.arrival_ms > r.event_time_ms for r in records if r.outcome == "counted")
    assert 0.4 < displaced / HARSH.events < 0.6


def test_arrival_never_falls_and_a_duplicate_is_the_same_to_the_letter(registry: Registry) -> None:
    records, _ = run(HARSH, registry)
    assert all(a.arrival_ms <= b.arrival_ms and a.number < b.number for a, b in pairwise(records))
    sent = {(r.event, r.key, r.value) for r in records if r.outcome == "counted"}
    assert all((r.event, r.key, r.value) in sent for r in records if r.outcome == "duplicate")


def test_journeys_are_coherent(registry: Registry) -> None:
    rows = [(r.event, json.loads(r.value)) for r in run(replace(HARSH, bad_share=0, late_share=0), registry)[0]]
    created = {(r["order_id"], r["item_id"]): r for e, r in rows if e == "orders" and r["type"] == "created"}
    entered = {(r["user_id"], r["live_id"]) for e, r in rows if e == "live_events" and r["type"] == "enter"}
    paid = {(r["order_id"], r["item_id"]): r for e, r in rows if e == "orders" and r["type"] == "paid"}
    for event, row in rows:
        if event == "orders" and row["type"] != "created":
            first = created[row["order_id"], row["item_id"]]
            assert first["amount"] == row["amount"]
            assert first["event_time"] <= row["event_time"]
        if event == "orders" and row["type"] == "refund_succeeded":
            assert (row["order_id"], row["item_id"]) in paid
        if event == "live_events" and row["type"] not in ("exposure", "enter"):
            assert (row["user_id"], row["live_id"]) in entered
        assert HARSH.start_ms <= row["event_time"] < NOW_MS


def test_the_truth_speaks_of_metrics_that_the_built_in_catalogue_has(registry: Registry) -> None:
    for measure in TRUE_MEASURES:
        assert registry.metrics[measure.name].type == "simple"
        assert registry.events_of_metric(measure.name) == (measure.event,)


def test_a_registry_without_the_events_is_refused_with_every_reason(registry: Registry) -> None:
    orders = registry.events["orders"]
    other = Registry(registry.settings, {"orders": orders.model_copy(update={"key": "user_id"})}, {}, {}, {})
    with pytest.raises(SimulationError) as refused:
        simulate(SimulationOptions(), other)
    for reason in ("no event 'page_views'", "no event 'live_events'", "key field 'user_id'"):
        assert reason in str(refused.value)


def test_disorder_that_would_leave_the_truth_in_doubt_is_refused(registry: Registry) -> None:
    with pytest.raises(SimulationError, match="would be too late"):
        simulate(SimulationOptions(disorder_ms=605_001), registry)
    with pytest.raises(SimulationError, match="dedupe horizon"):
        simulate(SimulationOptions(duplicate_delay_ms=90_000_000), registry)


def test_senseless_options_are_refused_all_at_once() -> None:
    with pytest.raises(SimulationError) as refused:
        SimulationOptions(events=0, bad_share=2, start_ms=5)
    assert all(word in str(refused.value) for word in ("events", "bad_share", "start_ms"))
