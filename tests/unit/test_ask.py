"""Questions: what is wrong with one is said with what is allowed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ask import Question, key_sets
from api.catalogue import card, listed, overview
from api.problems import Problem
from metric_defs import Registry, load_registry

REGISTRY = load_registry()
KNOWN = ("metrics", "metric", "dimension", "window", "n", "strict", "from", "step", "group_by")


def ask(*pairs: tuple[str, str]) -> Question:
    return Question(REGISTRY, pairs, KNOWN)


def test_an_unknown_metric_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(Problem) as found:
        ask(("metrics", "pay_amt,pay_amd")).metrics()
    assert found.value.status == 422
    assert found.value.more["did_you_mean"] == "pay_amt"
    assert "uv" in found.value.more["allowed"]  # type: ignore[operator]
    assert "'pay_amd'" in found.value.detail


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ((("shopid", "1"),), "did you mean 'shop_id'?"),
        ((("window", "today"), ("window", "1m")), "given twice"),
        ((("shop_id", "x" * 600),), "longer than 512"),
        ((("shop_id", "a\x00b"),), "NUL"),
    ],
)
def test_parameters_are_known_single_and_short(pairs: tuple[tuple[str, str], ...], word: str) -> None:
    with pytest.raises(Problem, match=word.replace("?", r"\?")):
        ask(*pairs)


def test_a_metric_is_cut_only_as_it_may_be() -> None:
    question = ask(
        ("metrics", "pay_amt,fav_users"), ("item_id", "1"), ("shop_id", "a"), ("shop_id", "b"), ("shop_id", "a")
    )
    with pytest.raises(Problem, match="'fav_users' is not cut by 'item_id'; it is cut by shop_id, channel") as found:
        question.filters(("fav_users",))
    assert found.value.more["allowed"] == ["shop_id", "channel"]
    assert question.filters(("pay_amt",)) == {"item_id": ("1",), "shop_id": ("a", "b")}


def test_defaults() -> None:
    question = ask()
    assert question.window() == "today"
    assert question.flag("strict") is False
    assert question.integer("n", 1, 10, 4) == 4
    assert question.instant("from") is None
    assert question.group_by(("pay_amt",)) == ()
    with pytest.raises(Problem, match="'metrics' is missing"):
        question.metrics()
    with pytest.raises(Problem, match="'metrics' is empty"):
        ask(("metrics", " , ")).metrics()


@pytest.mark.parametrize(
    ("text", "step"), [("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", None), ("36h", 129_600_000)]
)
def test_steps(text: str, step: int | None) -> None:
    assert ask(("step", text)).step_ms("1m") == step


@pytest.mark.parametrize("text", ["0s", "15s", "1ms", "2d", "-5m", "5", "m", "99999999999h", "1m; DROP", "１０s"])
def test_no_steps(text: str) -> None:
    with pytest.raises(Problem, match="multiple of 10s"):
        ask(("step", text)).step_ms("1m")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T16:00:00Z", 1_772_380_800_000),
        ("2026-03-02T00:00:00+08:00", 1_772_380_800_000),
        ("2026-03-02T00:00:00 08:00", 1_772_380_800_000),  # a plus sign that was not escaped
        ("2026-03-01t16:00:00.5z", 1_772_380_800_500),
        ("2026-03-01 16:00:00.123456789Z", 1_772_380_800_123),
    ],
)
def test_instants(text: str, at: int) -> None:
    assert ask(("from", text)).instant("from") == at


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "2026-03-01",
        "2026-03-01T16:00:00",
        "2026-13-01T00:00:00Z",
        "1999-12-31T00:00:00Z",
        "2026-W09-1T00:00:00Z",
        "1772380800000",
    ],
)
def test_no_instants(text: str) -> None:
    with pytest.raises(Problem) as found:
        ask(("from", text)).instant("from")
    assert found.value.status == 422


@given(st.lists(st.tuples(st.sampled_from([*KNOWN, "shop_id", "channel"]), st.text(max_size=20)), max_size=6))
def test_whatever_is_asked_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    for read in (
        Question.metrics, Question.metric, Question.window, lambda q: q.dimension("pay_amt"), lambda q: q.group_by(("uv",)),
        lambda q: q.filters(("uv",)), lambda q: q.integer("n", 1, 9, 1), lambda q: q.flag("strict"), lambda q: q.instant("from"),
        lambda q: q.step_ms("1m"),
    ):  # fmt: skip
        with contextlib.suppress(Problem):
            read(Question(REGISTRY, pairs, KNOWN))


def test_keys_are_every_combination() -> None:
    assert key_sets({}) == [{}]
    assert key_sets({"a": ("1", "2"), "b": ("x",)}) == [{"a": "1", "b": "x"}, {"a": "2", "b": "x"}]
    with pytest.raises(Problem, match="more than 1000"):
        key_sets({"a": [str(i) for i in range(40)], "b": [str(i) for i in range(40)]})


@pytest.mark.parametrize("registry", [REGISTRY], ids=["built-in"])
def test_every_metric_has_a_card(registry: Registry) -> None:
    for code, metric in registry.metrics.items():
        found = card(registry, code)
        assert found["definition"] == metric.id
        assert found["formula"]
        assert set(found["additivity"]) == {*metric.dimensions, "time"}  # type: ignore[call-overload]
        assert [e["event"] for e in found["events"]] == list(registry.events_of_metric(code))  # type: ignore[attr-defined]
        assert found["cuts"]
        assert (found["parts"] is not None) == (metric.type == "ratio")
    assert card(registry, "gpm")["formula"] == "1000 * live_pay_amt / live_pv"


def test_the_catalogue_is_searched_in_both_languages() -> None:
    assert "pay_amt" in [m["metric"] for m in listed(REGISTRY, "支付金额")]
    assert [m["metric"] for m in listed(REGISTRY, "PAGE VIEWS")][:1] == ["pv"]
    assert {m["owner"] for m in listed(REGISTRY, owner="live")} == {"live"}
    assert {m["unit"] for m in listed(REGISTRY, unit="percent")} == {"percent"}
    assert listed(REGISTRY, "no such words") == []


def test_an_overview_without_settings_shows_the_first_sums_and_counts() -> None:
    bare = Registry(
        REGISTRY.settings.model_copy(update={"headline": (), "trend": "", "top": ()}),
        REGISTRY.events,
        REGISTRY.measures,
        REGISTRY.metrics,
        REGISTRY.cubes,
    )
    found = overview(bare)
    assert len(found["headline"]) == 8  # type: ignore[arg-type]
    assert found["trend"] in found["headline"]  # type: ignore[operator]
    assert (found["key"], found["keys_by"]) == ("shop_id", found["trend"])
    assert overview(REGISTRY)["headline"] == list(REGISTRY.settings.headline)
