"""Rules across definitions: each finds its mistake at its place, and finds nothing in a good registry."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from metric_defs import Registry, load_registry
from metric_defs.checks import RULES, SOUND_RULES, WHOLE_RULES
from metric_defs.registry import CompiledMeasure
from metric_defs.rules import cubes, events, meaning, metrics, overview
from tests.support.registries import GOOD, faults_of, line_of, spoilt, write_registry

EVENT, METRICS, CUBES = "events/sales.yaml", "metrics.yaml", "cubes.yaml"
LAST = "    denominator: buyers\n    unit: money\n    owner: trade\n    dimensions: [shop]\n"
COPY = """  - metric: copy
    version: 1
    name: {zh: 抄, en: Copy}
    description: {zh: 抄, en: Copy}
"""

# (file, what stands in the good one, what stands there instead, whose line is named, the message)
SPOILT = [
    # events: key and time
    (EVENT, "key: shop", "key: shopp", "key: shopp", "'key' names the unknown field 'shopp'"),
    (EVENT, "time: at", "time: when", "time: when", "'time' names the unknown field 'when'"),
    (EVENT, "shop: {type: string, required: true}", "shop: {type: string}", "shop: {",
     "its key field 'shop' must be required"),
    (EVENT, "at: {type: timestamp, required: true}", "at: {type: timestamp}", "at: {",
     "its time field 'at' must be required"),
    (EVENT, "at: {type: timestamp", "at: {type: integer", "at: {", "its time field 'at' is a integer"),
    # events: duplicates
    (EVENT, "key: [id]", "key: [idd]", "key: [", "the dedupe key names the unknown field 'idd'"),
    (EVENT, "key: [id]", "key: [person, kind]", "key: [", "no field of the dedupe key is required"),
    (EVENT, "keep: true", "keep: false", "raw:", "drops duplicates but keeps no raw events"),
    (EVENT, "keep: true", "retention: 1h", "retention", "keeps raw events for less than it remembers duplicates"),
    # events: fields and topics
    (EVENT, "person: {type: string}", "person: {type: string, path: shop}", "person",
     "fields 'shop' and 'person' read the same path"),
    (EVENT, "weight: {", "k_offset: {", "k_offset", "'k_offset' is a name the engine uses itself"),
    (EVENT, "weight: {", "k_weight: {", "k_weight", "'k_weight' is a name the engine uses itself"),
    (EVENT, "weight: {", "h_weight: {", "h_weight", "'h_weight' is a name the engine uses itself"),
    # measures
    (METRICS, "measure: paid\n    event: sales", "measure: paid\n    event: sails", "event: sails",
     "uses the unknown event 'sails'"),
    (METRICS, "expr: sum(cents)", "expr: sum(centz)", "expr: sum(", "'centz' is no field of the event"),
    (METRICS, "expr: sum(cents)", "expr: sum(shop)", "expr: sum(", "sum needs one numeric argument, not String"),
    (METRICS, "expr: sum(cents)", "expr: cents", "expr: cents", "'cents' is no aggregate call"),
    (METRICS, "filter: kind = 'paid'", "filter: kind", "filter:", "'kind' is no condition"),
    (METRICS, "filter: kind = 'paid'", "filter: kind = 'payed'", "filter:", "'kind' is never 'payed'"),
    (METRICS, "filter: kind = 'paid'", "filter: kind IN ('paid', 'x')", "filter:", "'kind' is never 'x'"),
    (METRICS, "expr: sum(cents)", "expr: \"sum(if(kind = 'x', 1, cents))\"", "expr: \"sum", "'kind' is never 'x'"),
    # metrics: parts
    (METRICS, "    measure: people\n    unit", "    measure: persons\n    unit", "measure: persons",
     "unknown measure 'persons'"),
    (METRICS, "numerator: pay_amt", "numerator: pay_amd", "numerator", "unknown metric 'pay_amd' as numerator"),
    (METRICS, "denominator: buyers", "denominator: buyer", "denominator", "unknown metric 'buyer' as denominator"),
    (METRICS, "numerator: pay_amt", "numerator: aov", "numerator", "its numerator 'aov' is itself a ratio"),
    # metrics: names, dimensions, additivity
    (METRICS, "{zh: 买家, en: Buyers}", "{zh: 买家, en: Paid}", "name: {zh: 买家",
     "metrics 'pay_amt' and 'buyers' have the same name 'Paid'"),
    (METRICS, "{zh: 买家, en: Buyers}", "{zh: 支付, en: Buyers}", "name: {zh: 支付, en: Buyers",
     "have the same name '支付'"),
    (METRICS, "denominator: buyers\n    unit: money\n    owner: trade\n    dimensions: [shop]",
     "denominator: buyers\n    unit: money\n    owner: trade\n    dimensions: [shop, person]",
     "dimensions: [shop, person]", "metric 'aov' is cut by person, but its"),
    (METRICS, "dimensions: [shop]\n    additivity", "dimensions: [shop, shop]\n    additivity",
     "dimensions: [shop, shop]",
     "metric 'buyers' names a dimension twice"),
    (METRICS, "additivity: {shop: non_additive}", "additivity: {person: additive}", "additivity",
     "states the additivity of 'person'"),
    # cubes
    (CUBES, "[shop]", "[shopp]", "[shopp]", "no event has a field 'shopp'"),
    (CUBES, "[shop]", "[cents]", "[cents]", "dimension 'cents' is no string field"),
    (CUBES, "[shop]", "[pane]", "[pane]", "'pane' is a name the store uses itself"),
    (CUBES, "[shop]", "[sets]", "[sets]", "'sets' is a name the store uses itself"),
    (CUBES, "[shop]", "[grain]", "[grain]", "'grain' is a name the store uses itself"),
    (CUBES, "[shop]", "[shop, shop]", "[shop, shop]", "cube 'by_shop' names a dimension twice"),
    (CUBES, "[shop]", "[]", "dimensions: []\n  - cube: by_shop",
     "cube 'by_shop' repeats the dimensions of cube 'total'"),
    # the whole
    (METRICS, "expr: uniqExact(person)", "expr: sum( cents )\n    filter: (kind = 'paid')", "expr: sum( ",
     "measures 'paid' and 'people' are the same formula"),
    (METRICS, LAST, LAST + COPY + "    type: simple\n    measure: paid\n    unit: money\n    owner: trade\n",
     "- metric: copy",
     "metrics 'pay_amt' and 'copy' are the same formula"),
    (METRICS, LAST,
     LAST + COPY + "    type: ratio\n    numerator: pay_amt\n    denominator: buyers\n"
     "    unit: money\n    owner: trade\n",
     "- metric: copy", "metrics 'aov' and 'copy' are the same formula"),
    (CUBES, "[shop]", "[person]", "[person]", "cube 'by_shop' serves no metric"),
    (METRICS, "measures:\n", "measures:\n  - {measure: spare, event: sales, expr: count()}\n", "spare",
     "measure 'spare' is used by no metric"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "message"), SPOILT, ids=[f"{i}-{s[4][:40]}" for i, s in enumerate(SPOILT)]
)
def test_a_rule_finds_its_mistake(tmp_path: Path, file: str, old: str, new: str, at: str, message: str) -> None:
    files = spoilt(file, old, new)
    line = line_of(files[file], at)
    faults = faults_of(write_registry(tmp_path, files))
    if file == CUBES and "repeats" in message:
        line += 2  # the second of two equal lines
    found = [f for f in faults if f.file == file and message in f.message]
    assert found, faults
    assert line in [f.line for f in found], (line, faults)
    # what else is told must be another sentence on the same mistake, never one on a good definition
    assert {f.file for f in faults} == {file}, faults


def test_no_cube_can_answer_a_metric_of_other_dimensions(tmp_path: Path) -> None:
    files = {**GOOD, CUBES: "cubes:\n  - {cube: by_person, dimensions: [person]}\n"}
    messages = [f.message for f in faults_of(write_registry(tmp_path, files))]
    assert "no cube can answer metric 'pay_amt'" in messages
    assert "no cube can answer metric 'aov'" in messages
    assert "cube 'by_person' serves no metric" in messages


def test_two_measures_may_not_share_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CompiledMeasure, "tag", property(lambda _: 7))
    (fault,) = faults_of(write_registry(tmp_path, GOOD))
    assert fault.message == "measures 'paid' and 'people' would be stored under the same tag 7"


def test_two_events_may_not_share_a_topic(tmp_path: Path) -> None:
    files = {**GOOD, "events/returns.yaml": GOOD[EVENT].replace("event: sales", "event: returns")}
    (fault,) = [f for f in faults_of(write_registry(tmp_path, files)) if "topic" in f.message]
    assert (fault.file, fault.line) == (EVENT, 2)
    assert fault.message == "topic 'shop.sales' already carries event 'returns'"


def test_a_metric_is_cut_only_by_fields_of_all_its_events(tmp_path: Path) -> None:
    views = "event: views\ntopic: v\ndescription: {zh: 看, en: V}\nkey: shop\ntime: at\nfields:\n"
    views += "  at: {type: timestamp, required: true}\n  shop: {type: string, required: true}\n"
    metric = "measures:\n  - {measure: seen, event: views, expr: count()}\nmetrics:\n" + COPY.replace("copy", "seen")
    metric += "    type: simple\n    measure: seen\n    unit: count\n    owner: t\n    dimensions: [shop, person]\n"
    faults = faults_of(write_registry(tmp_path, {**GOOD, "v.yaml": views, "seen.yaml": metric}))
    assert [(f.file, f.line, f.message) for f in faults] == [
        ("seen.yaml", 12, "metric 'seen' cannot be cut by 'person': event 'views' has no such field")
    ]


def test_faults_of_different_rules_are_told_together(tmp_path: Path) -> None:
    files = dict(GOOD)
    files[EVENT] = files[EVENT].replace("keep: true", "keep: false")
    files[METRICS] = (
        files[METRICS].replace("en: Buyers}", "en: Paid}", 1).replace("filter: kind = 'paid'", "filter: kind = 'payed'")
    )
    files[METRICS] = files[METRICS].replace("additivity: {shop: non_additive}", "additivity: {person: additive}")
    files[METRICS] = files[METRICS].replace("numerator: pay_amt", "numerator: nothing")
    files[CUBES] = files[CUBES].replace("[shop]", "[gift]")
    assert [(f.file, f.message.split(": ")[-1]) for f in faults_of(write_registry(tmp_path, files))] == [
        (CUBES, "dimension 'gift' is no string field"),
        (EVENT, "event 'sales' drops duplicates but keeps no raw events"),
        (METRICS, "'kind' is never 'payed'"),
        (METRICS, "metrics 'pay_amt' and 'buyers' have the same name 'Paid'"),
        (METRICS, "metric 'buyers' states the additivity of 'person', which it is not cut by"),
        (METRICS, "metric 'aov' uses the unknown metric 'nothing' as numerator"),
    ]


def test_every_rule_is_asked() -> None:
    asked = {*RULES, *SOUND_RULES, *WHOLE_RULES}
    written = {
        function
        for module in (cubes, events, meaning, metrics, overview)
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert asked == written


OVERVIEW = [
    ("headline: [pay_amt, pay_amd]\n", 4, "'headline' names the unknown metric 'pay_amd'", "did you mean 'pay_amt'?"),
    ("trend: nothing\n", 4, "'trend' names the unknown metric 'nothing'", ""),
    ("top:\n  - {metric: buyer, dimension: shop}\n", 5, "'top' names the unknown metric 'buyer'", "did you mean 'buyers'?"),
    ("top:\n  - {metric: aov, dimension: shopp}\n", 5, "'top': metric 'aov' is not cut by 'shopp'", "did you mean 'shop'?"),
    ("top:\n  - {metric: aov, sort: shop}\n", 5, "unknown key 'top.0.sort'", ""),
]


@pytest.mark.parametrize(("text", "line", "message", "hint"), OVERVIEW, ids=[o[2][:40] for o in OVERVIEW])
def test_an_overview_shows_what_exists(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    files = {**GOOD, "registry.yaml": GOOD["registry.yaml"] + text}
    found = [f for f in faults_of(write_registry(tmp_path, files)) if f.message == message]
    assert [(f.file, f.line) for f in found] == [("registry.yaml", line)]
    assert hint in found[0].hint


def test_a_ranking_needs_a_cube_of_its_dimension(tmp_path: Path) -> None:
    files = {**GOOD, "registry.yaml": GOOD["registry.yaml"] + "top: [{metric: pay_amt, dimension: shop}]\n"}
    assert faults_of(write_registry(tmp_path / "a", files)) == ()
    files[CUBES] = "cubes:\n  - {cube: total}\n"
    (fault,) = faults_of(write_registry(tmp_path / "b", files))
    assert fault.message == "'top': no cube holds metric 'pay_amt' cut by 'shop'"


def test_what_an_overview_shows_changes_no_figure(tmp_path: Path) -> None:
    plain = load_registry(write_registry(tmp_path / "a", GOOD))
    files = {**GOOD, "registry.yaml": GOOD["registry.yaml"] + "headline: [aov]\ntrend: pay_amt\n"}
    shown = load_registry(write_registry(tmp_path / "b", files))
    assert shown.settings.headline == ("aov",)
    assert shown.fingerprint == plain.fingerprint
    assert shown.key_dimension == "shop"


def test_a_metrics_fingerprint_follows_its_parts(good: Registry, tmp_path: Path) -> None:
    other = load_registry(write_registry(tmp_path / "x", spoilt(METRICS, "kind = 'paid'", "kind != 'refund'")))
    assert other.metric_fingerprint("aov") != good.metric_fingerprint("aov")
    assert other.metric_fingerprint("buyers") == good.metric_fingerprint("buyers")


@pytest.fixture
def good(tmp_path: Path) -> Registry:
    return load_registry(write_registry(tmp_path, GOOD))


def test_additivity_is_as_declared_else_by_the_aggregate(good: Registry) -> None:
    assert good.additivity("pay_amt", "shop") == "additive"
    assert good.additivity("buyers", "shop") == "non_additive"
    assert good.additivity("aov", "time") == "non_additive"


def test_a_question_is_answered_by_the_smallest_cube_that_holds_it(good: Registry) -> None:
    both = good.measures_of_metric("aov")
    assert both == ("paid", "people")
    for dimensions, name in ((frozenset[str](), "total"), (frozenset({"shop"}), "by_shop")):
        cube = good.cube_for(both, dimensions)
        assert cube is not None
        assert cube.cube == name
    assert good.cube_for(both, frozenset({"person"})) is None


def test_the_fingerprint_changes_with_meaning_and_not_with_writing(good: Registry, tmp_path: Path) -> None:
    other = load_registry(write_registry(tmp_path / "b", spoilt(METRICS, "kind = 'paid'", "( kind='paid' )")))
    assert other.measures["paid"].fingerprint == good.measures["paid"].fingerprint
    changed = load_registry(write_registry(tmp_path / "c", spoilt(METRICS, "kind = 'paid'", "kind != 'refund'")))
    assert changed.measures["paid"].fingerprint != good.measures["paid"].fingerprint
    assert changed.fingerprint != good.fingerprint
