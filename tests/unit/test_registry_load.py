"""A registry is read from files: what is wrong is a fault with file, line and message, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from metric_defs import RegistryError, load_registry
from tests.support.registries import GOOD, faults_of, line_of, spoilt, write_registry

EVENT, METRICS, CUBES = "events/sales.yaml", "metrics.yaml", "cubes.yaml"


def test_a_good_registry_has_no_faults(tmp_path: Path) -> None:
    registry = load_registry(write_registry(tmp_path, GOOD))
    assert list(registry.metrics) == ["pay_amt", "buyers", "aov"]
    assert registry.events["sales"].dedupe is not None
    assert registry.events["sales"].dedupe.horizon == 3_600_000
    assert registry.metrics["aov"].id == "aov@1"


def test_where_definitions_stand_does_not_matter(tmp_path: Path) -> None:
    one = load_registry(write_registry(tmp_path / "a", GOOD))
    metric, rest = GOOD[METRICS].split("  - metric: aov\n")
    alone = "metric: aov\n" + "".join(f"{line[4:]}\n" for line in rest.splitlines())
    other = load_registry(write_registry(tmp_path / "b", {**GOOD, METRICS: metric, "metrics/aov.yml": alone}))
    assert one.fingerprint == other.fingerprint


def test_a_definition_alone_in_its_file_is_what_its_own_key_says(tmp_path: Path) -> None:
    """A metric's file holds the key ``measure``, a measure's the key ``event``: neither makes it one of those."""
    files = {
        **GOOD,
        "more/cash.yaml": "measure: cash\nevent: sales\nexpr: count()\n",
        "more/sold.yaml": "metric: sold\nversion: 1\nname: {zh: 笔, en: Sold}\ndescription: {zh: 笔, en: Sold}\n"
        "type: simple\nmeasure: cash\nunit: count\nowner: trade\n",
    }
    assert "sold" in load_registry(write_registry(tmp_path, files)).metrics


def test_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    assert not faults_of(write_registry(tmp_path, {**GOOD, "README.md": "[", "notes.txt": "a: b: c"}))


def test_an_empty_file_and_an_empty_list_are_no_fault(tmp_path: Path) -> None:
    assert not faults_of(write_registry(tmp_path, {**GOOD, "later.yaml": "# nothing yet\n", "more.yaml": "metrics:\n"}))


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path / "nowhere")
    assert fault.message == "is no directory"
    assert fault.file.endswith("nowhere")


def test_an_empty_directory_lacks_settings_and_events(tmp_path: Path) -> None:
    assert [f.message for f in faults_of(tmp_path)] == ["is missing", "defines no event"] or [
        f.message for f in faults_of(tmp_path)
    ] == ["defines no event", "is missing"]


# (file, what stands in the good one, what stands there instead, whose line is named, the message)
SPOILT = [
    # settings
    ("registry.yaml", "zone: Asia/Shanghai", "zone: Asia/Shanghi", "zone", "zone: 'Asia/Shanghi' is no IANA time zone"),
    ("registry.yaml", "zone: Asia/Shanghai\n", "", "registry", "'zone' is missing"),
    ("registry.yaml", "currency: CNY", "currency: yuan", "currency", "currency: string should match pattern"),
    ("registry.yaml", "currency: CNY", "currency: 7", "currency", "currency: input should be a valid string, not 7"),
    ("registry.yaml", "registry: shop", "registry: My Shop", "registry", "registry: 'My Shop' is no name"),
    ("registry.yaml", "currency: CNY", "curency: CNY", "curency", "unknown key 'curency'"),
    # wrong type, unknown key, missing key, bad value, at every depth
    (EVENT, "event: sales", "event: Sales", "event", "event: 'Sales' is no name"),
    (EVENT, "event: sales", 'event: "sales\\n"', "event", "event: 'sales\\n' is no name"),
    (EVENT, "event: sales", f"event: {'a' * 64}", "event", "at most 63 characters"),
    (EVENT, "topic: shop.sales", "topic: shop sales", "topic", "topic: string should match pattern"),
    (EVENT, "topic: shop.sales\n", "", "event", "'topic' is missing"),
    (EVENT, "topic: shop.sales", "topick: shop.sales", "topick", "unknown key 'topick'"),
    (EVENT, "description: {zh: 销售, en: Sales}", "description: Sales", "description", "'description' is no mapping"),
    (EVENT, "{zh: 销售, en: Sales}", "{zh: 销售}", "description", "'description.en' is missing"),
    (EVENT, "{zh: 销售, en: Sales}", "{zh: '', en: Sales}", "description", "'description.zh' is empty"),
    (EVENT, "horizon: 1h", "horizon: 1 hour", "horizon", "dedupe.horizon: '1 hour' is no duration"),
    (EVENT, "horizon: 1h", "horizon: 60", "horizon", "dedupe.horizon: 60 is no duration"),
    (EVENT, "horizon: 1h", "horizon: -1h", "horizon", "dedupe.horizon: '-1h' is no duration"),
    (EVENT, "horizon: 1h", "horizon: 1.5h", "horizon", "dedupe.horizon: '1.5h' is no duration"),
    (EVENT, "horizon: 1h", "horizon: １h", "horizon", "dedupe.horizon: '１h' is no duration"),
    (EVENT, "horizon: 1h", "horizon: 99999d", "horizon", "dedupe.horizon: '99999d' is longer than ten years"),
    (EVENT, "key: [id]", "key: []", "key: []", "'dedupe.key' is empty"),
    (EVENT, "key: [id]", "key: id", "key: id", "dedupe.key: input should be a valid tuple"),
    (EVENT, "key: [id]", "key: [7]", "key: [7]", "dedupe.key.0: input should be a valid string, not 7"),
    (EVENT, "keep: true", "keep: 1", "keep", "raw.keep: input should be a valid boolean, not 1"),
    (EVENT, "keep: true", "kept: true", "kept", "unknown key 'raw.kept'"),
    (EVENT, "id: {type: string", "Id: {type: string", "Id: {", "fields.Id: 'Id' is no name"),
    (EVENT, "id: {type: string", "id: {type: text", "id: {", "fields.id.type: input should be 'string', 'integer'"),
    (EVENT, "id: {type: string, required: true}", "id: string", "id: string", "'fields.id' is no mapping"),
    (EVENT, "weight: {type: number}", "weight: {}", "weight", "'fields.weight.type' is missing"),
    (EVENT, "weight: {type: number}", "weight: {type: number, unit: kg}", "weight", "unknown key 'fields.weight.unit'"),
    (
        EVENT,
        "weight: {type: number}",
        "weight: {type: number, default: x}",
        "weight",
        "default 'x' is not of type number",
    ),
    (
        EVENT,
        "weight: {type: number}",
        "weight: {type: number, default: .inf}",
        "weight",
        "default inf is not of type number",
    ),
    (EVENT, "default: 0", "default: true", "cents", "default True is not of type integer"),
    (EVENT, "default: 0", "default: 9007199254740992", "cents", "is not of type integer"),
    (EVENT, "default: 0", "default: [0]", "cents", "fields.cents.default: [0] is no single value"),
    (EVENT, "gift: {type: boolean}", "gift: {type: boolean, default: 1}", "gift", "default 1 is not of type boolean"),
    (
        EVENT,
        "shop: {type: string, required: true}",
        "shop: {type: string, required: true, default: x}",
        "shop: {",
        "a required field has no default",
    ),
    (EVENT, "default: 0", "values: [a]", "cents", "'values' can be given for string fields only"),
    (
        EVENT,
        "values: [paid, refund]",
        "values: [paid, refund], default: none",
        "kind",
        "default 'none' is none of the 'values'",
    ),
    (EVENT, "values: [paid, refund]", "values: paid", "kind", "fields.kind.values: input should be a valid tuple"),
    (
        EVENT,
        "person: {type: string}",
        'person: {type: string, path: "a..b"}',
        "person",
        "fields.person.path: 'a..b' is no path",
    ),
    (EVENT, "person: {type: string}", 'person: {type: string, path: "a\'b"}', "person", "is no path"),
    (METRICS, "measure: paid\n    event", "measure: 9paid\n    event", "measure: 9", "measure: '9paid' is no name"),
    (METRICS, "    expr: sum(cents)\n", "", "- measure: paid", "'expr' is missing"),
    (METRICS, "expr: sum(cents)", "expr: [sum, cents]", "expr: [", "expr: input should be a valid string"),
    (
        METRICS,
        "name: {zh: 支付, en: Paid}",
        "name: {zh: 支付, en: Paid, de: Bezahlt}",
        "name: {zh: 支付,",
        "unknown key 'name.de'",
    ),
    (METRICS, "unit: people", "unit: persons", "unit: persons", "unit: input should be 'money', 'count'"),
    (
        METRICS,
        "  - metric: buyers\n    version: 1",
        "  - metric: buyers\n    version: '1'",
        "version: '1'",
        "version: input should be a valid integer, not '1'",
    ),
    (
        METRICS,
        "  - metric: buyers\n    version: 1",
        "  - metric: buyers\n    version: 0",
        "version: 0",
        "version: input should be greater than or equal to 1, not 0",
    ),
    (METRICS, "type: ratio", "type: ratios", "type: ratios", "type: input should be 'simple' or 'ratio', not 'ratios'"),
    (METRICS, "    numerator: pay_amt\n", "", "- metric: aov", "a ratio metric has a 'numerator' and a 'denominator'"),
    (METRICS, "    measure: people\n    unit", "    unit", "- metric: buyers", "a simple metric has a 'measure'"),
    (METRICS, "denominator: buyers", "denominator: pay_amt", "- metric: aov", "are the same metric"),
    (
        METRICS,
        "additivity: {shop: non_additive}",
        "additivity: {shop: no}",
        "additivity",
        "additivity.shop: input should be 'additive'",
    ),
    (CUBES, "dimensions: [shop]", "dimensions: shop", "dimensions: shop", "dimensions: input should be a valid tuple"),
    (CUBES, "cube: by_shop", "cube:", "cube:\n", "cube: None is no name"),
    # the shape of a file
    (CUBES, "  - cube: total", "  - total\n  - cube: total", "- total", "is no mapping of keys to values"),
    (CUBES, "cubes:\n", "metrics: none\ncubes:\n", "metrics: none", "'metrics' is no list"),
    (CUBES, "cubes:\n", "zone: UTC\ncubes:\n", "zone", "unknown key 'zone'"),
    # YAML itself
    (EVENT, "time: at", "time: at\ntime: at", "time: at\ndedupe", "key 'time' is given twice"),
    (
        EVENT,
        "  at: {type",
        "  id: {type: string, required: true}\n  at: {type",
        "id: {type: string, required: true}\n  at",
        "key 'id' is given twice",
    ),
    (EVENT, "time: at", "time: @at", "time: @at", "is not YAML: found character '@'"),
    (EVENT, "[id]", "[id", "horizon", "is not YAML: expected ',' or ']'"),
    (EVENT, "time: at", "time: *at", "*at", "is not YAML: aliases (*name) are not supported"),
    (EVENT, "time: at", "time: !!timestamp at", "time: !!", "value 'at' cannot be read as"),
    (EVENT, "time: at", "time: !!bool at", "time: !!", "value 'at' cannot be read as"),
    (EVENT, "time: at", "time: !!python/name:os.system at", "time: !!", "value 'at' cannot be read as"),
    (EVENT, "time: at", "time: 2024-13-45", "time: 2024", "value '2024-13-45' cannot be read as"),
    (EVENT, "time: at", "time: at\n? [a, b]\n: c", "[a, b]", "a key must be a word"),
    (EVENT, "time: at", "time: a\x07t", "time: a", "is not YAML: character #x0007 is not allowed"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "message"), SPOILT, ids=[f"{i}-{s[4][:40]}" for i, s in enumerate(SPOILT)]
)
def test_a_mistake_is_told_with_file_and_line(
    tmp_path: Path, file: str, old: str, new: str, at: str, message: str
) -> None:
    files = spoilt(file, old, new)
    faults = faults_of(write_registry(tmp_path, files))
    assert [f for f in faults if f.file == file and f.line == line_of(files[file], at) and message in f.message], faults
    # a misspelt key is two: one key too many and one too few
    rest = [f for f in faults if not (message.startswith("unknown key") and f.message.endswith("is missing"))]
    assert len(rest) == 1, f"one mistake, one fault: {faults}"


@pytest.mark.parametrize(
    ("file", "content", "line", "message"),
    [
        ("bad.yaml", b"metrics:\n  - metric: \xff\xfe\n", 2, "is not UTF-8"),
        ("bad.yaml", b"\x00\x00", 1, "is not YAML: character #x0000 is not allowed"),
        ("bad.yaml", b"- a\n- b\n", 1, "is no mapping"),
        ("bad.yaml", b"just words\n", 1, "is no mapping"),
        ("bad.yaml", b"\n\nmetricks:\n  - metric: a\n", 3, "'metricks' starts no definition"),
        ("bad.yaml", b"a: " + b"[" * 5000 + b"]" * 5000, 0, "is nested too deeply"),
        ("bad.yaml", b"a: " + b"{b: " * 3000 + b"1" + b"}" * 3000, 0, "is nested too deeply"),
        ("bad.yaml", b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", 2, "aliases (*name) are not supported"),
        ("bad.yaml", b"a: &a [*a]\n", 1, "aliases (*name) are not supported"),
        ("bad.yaml", b"metrics: []\n---\nmetrics: []\n", 2, "is not YAML: but found another document"),
        ("bad.yaml", b"metrics:\n\t- a\n", 2, "is not YAML"),
        ("second.yaml", b"registry: two\nzone: UTC\ncurrency: EUR\n", 1, "the registry's settings are given twice"),
    ],
)
def test_an_unreadable_file_is_told_and_the_rest_is_still_judged(
    tmp_path: Path, file: str, content: bytes, line: int, message: str
) -> None:
    spoiled = spoilt(METRICS, "unit: people", "unit: persons")
    faults = faults_of(write_registry(tmp_path, {**spoiled, file: content}))
    assert [f for f in faults if f.file == file and f.line == line and message in f.message], faults
    assert [f for f in faults if f.file == METRICS and "unit: input should be" in f.message], faults
    assert len(faults) == 2, faults


def test_a_directory_named_like_a_file_is_told(tmp_path: Path) -> None:
    write_registry(tmp_path, GOOD)
    (tmp_path / "odd.yaml").mkdir()
    (fault,) = faults_of(tmp_path)
    assert (fault.file, fault.message) == ("odd.yaml", "cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("file", "kind", "copy"),
    [
        ("twice.yaml", "event 'sales'", GOOD[EVENT]),
        ("twice.yaml", "measure 'paid'", "measure: paid\nevent: sales\nexpr: count()\n"),
        ("twice.yaml", "cube 'total'", "cube: total\n"),
        ("twice.yaml", "metric 'aov'", "metrics:\n" + GOOD[METRICS][GOOD[METRICS].index("  - metric: aov") :]),
    ],
)
def test_a_definition_given_twice_names_both_places(tmp_path: Path, file: str, kind: str, copy: str) -> None:
    (fault,) = faults_of(write_registry(tmp_path, {**GOOD, file: copy}))
    assert fault.message == f"{kind} is defined twice"
    assert fault.file == "twice.yaml"
    assert fault.line >= 1
    assert fault.hint.startswith("first at ")
    assert fault.hint.split("first at ")[1].split(":")[0] in GOOD


def test_missing_settings_and_events_are_told(tmp_path: Path) -> None:
    files = {k: v for k, v in GOOD.items() if k not in ("registry.yaml", EVENT)}
    messages = [f.message for f in faults_of(write_registry(tmp_path, files))]
    assert "is missing" in messages
    assert "defines no event" in messages
    assert "measure 'paid' uses the unknown event 'sales'" in messages


def test_a_rejected_definition_is_not_called_unknown_where_it_is_used(tmp_path: Path) -> None:
    """One mistake in an event gives one fault, not one for everything built on it."""
    faults = faults_of(write_registry(tmp_path, spoilt(EVENT, "topic: shop.sales\n", "")))
    assert [f.message for f in faults] == ["'topic' is missing"]
    faults = faults_of(write_registry(tmp_path, spoilt(METRICS, "unit: people", "unit: persons")))
    assert len(faults) == 1


def test_all_faults_are_told_at_once_in_order(tmp_path: Path) -> None:
    files = dict(GOOD)
    files["registry.yaml"] = files["registry.yaml"].replace("CNY", "cny")
    files[EVENT] = files[EVENT].replace("key: shop", "key: shopp").replace("kind: {type", "kind: {typ: 1, type")
    files[EVENT] = files[EVENT].replace(", required: true}\n  at", "}\n  at")
    files[METRICS] = (
        files[METRICS].replace("unit: people", "unit: persons").replace("expr: sum(cents)", "expr: avg(cents)")
    )
    files[CUBES] = files[CUBES].replace("[shop]", "[shop, shop]")
    files["second.yaml"] = (
        GOOD[EVENT].replace("event: sales", "event: more").replace("time: at", "time: when").replace("[id]", "[idd]")
    )
    files["third.yaml"] = "nonsense: 1\n"
    files["fourth.yaml"] = "a: [\n"
    files["fifth.yaml"] = "measures:\n  - {measure: m, event: more, expr: sum(centz), filter: shop = 3}\n"
    with pytest.raises(RegistryError) as caught:
        load_registry(write_registry(tmp_path, files))
    expected = [
        ("cubes.yaml", "names a dimension twice"),
        (EVENT, "unknown key 'fields.kind.typ'"),
        ("fifth.yaml", "'centz' is no field of the event"),
        ("fifth.yaml", "'shop = 3' mixes text with numbers"),
        ("fourth.yaml", "is not YAML"),
        (METRICS, "unit: input should be"),
        ("registry.yaml", "currency: string should match"),
        ("second.yaml", "'time' names the unknown field 'when'"),
        ("second.yaml", "the dedupe key names the unknown field 'idd'"),
        ("third.yaml", "'nonsense' starts no definition"),
    ]
    faults = caught.value.faults
    for file, message in expected:
        assert [f for f in faults if f.file == file and message in f.message], (message, faults)
    assert len(faults) == len(expected), faults
    assert list(faults) == sorted(faults)
    assert str(caught.value).count("\n") == len(faults) - 1
    assert "second.yaml:5: event 'more': 'time' names the unknown field 'when'" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "hint"),
    [
        (EVENT, "topic: shop.sales", "topick: shop.sales", "did you mean 'topic'?"),
        (EVENT, "weight: {type: number}", "weight: {type: number, requird: true}", "did you mean 'required'?"),
        (METRICS, "name: {zh: 支付, en: Paid}", "name: {zh: 支付, en: Paid, eng: x}", "did you mean 'en'?"),
        (METRICS, "expr: sum(cents)", "expr: sum(cent)", "did you mean 'cents'?"),
        (METRICS, "filter: kind = 'paid'", "filter: kind = 'payed'", "did you mean 'paid'?"),
        (METRICS, "expr: uniqExact(person)", "expr: uniqexact(person)", "did you mean 'uniqExact'?"),
    ],
)
def test_a_hint_says_what_was_meant(tmp_path: Path, file: str, old: str, new: str, hint: str) -> None:
    assert hint in [f.hint for f in faults_of(write_registry(tmp_path, spoilt(file, old, new)))]
