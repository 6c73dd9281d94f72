"""Windows, business days and their covering by stored panes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.business_days import day_ceil, day_floor, next_day
from api.steps import TooManyPoints, sensible_step, steps
from api.tiling import HOUR_MS, tile
from api.windows import TRAILING_MS, resolve, resolve_at
from metric_defs.compile.read import Tile
from metric_defs.models import GRAINS, PANE_MS, Grain

SHANGHAI = ZoneInfo("Asia/Shanghai")
# whole and broken offsets from UTC, clocks set at midnight (Santiago, Havana) and at other hours, a half-hour shift
ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/Santiago",
    "America/Havana",
    "Australia/Lord_Howe",
]
DAY_MS = 86_400_000
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.integers(946_684_800_000 // PANE_MS, 2_000_000_000_000 // PANE_MS).map(lambda n: n * PANE_MS)
lengths = st.one_of(st.integers(0, 40), st.integers(0, 400_000)).map(lambda n: n * PANE_MS)
grains = st.sets(st.sampled_from(["1h", "1d"])).map(lambda some: ("10s", *some))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_today_is_the_business_day_of_the_zone() -> None:
    window = resolve("today", ms("2026-03-01T16:00:00Z"), SHANGHAI)
    assert (window.start_ms, window.end_ms) == (ms("2026-03-02T00:00:00+08:00"), ms("2026-03-03T00:00:00+08:00"))
    before = resolve("today", ms("2026-03-01T15:59:59.999Z"), SHANGHAI)
    assert before.end_ms == window.start_ms


@pytest.mark.parametrize("name", TRAILING_MS)
def test_a_trailing_window_ends_with_the_last_whole_pane(name: str) -> None:
    window = resolve(name, ms("2026-03-01T12:34:56.789Z"), SHANGHAI)
    assert window.end_ms == ms("2026-03-01T12:34:50Z")
    assert window.end_ms - window.start_ms == TRAILING_MS[name]


def test_a_window_of_the_past_ends_with_the_pane_of_that_moment() -> None:
    window = resolve_at("today", ms("2026-03-01T12:34:56Z"), SHANGHAI)
    assert (window.start_ms, window.end_ms) == (ms("2026-03-01T00:00:00+08:00"), ms("2026-03-01T12:35:00Z"))


def test_total_begins_before_anything_can_be_counted() -> None:
    window = resolve("total", 0, ZoneInfo("America/Santiago"))
    assert window.start_ms <= 946_684_800_000
    assert window.end_ms % PANE_MS == 0
    assert tile(window.start_ms, window.end_ms, GRAINS, ZoneInfo("America/Santiago")) == (
        Tile("1d", window.start_ms, window.end_ms),
    )


@given(zones, instants)
def test_a_business_day_holds_its_instants(zone: ZoneInfo, at: int) -> None:
    start, end = day_floor(at, zone), next_day(at, zone)
    assert start <= at < end
    assert day_floor(start, zone) == day_ceil(start, zone) == start
    assert day_floor(end - 1, zone) == start
    assert day_floor(end, zone) == end
    assert 22 * HOUR_MS < end - start < 26 * HOUR_MS


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_are_set() -> None:
    zone = ZoneInfo("America/Santiago")  # 2025-09-07: 24:00 on the 6th becomes 01:00 on the 7th
    start = day_floor(ms("2025-09-07T12:00:00-03:00"), zone)
    assert start == ms("2025-09-07T04:00:00Z")
    assert day_floor(start - 1, zone) == ms("2025-09-06T04:00:00Z")


@given(instants, lengths, grains, zones)
@example(ms("2026-03-01T16:00:00Z"), DAY_MS, GRAINS, SHANGHAI)
def test_tiles_cover_a_stretch_once(start: int, length: int, stored: tuple[Grain, ...], zone: ZoneInfo) -> None:
    end = start + length
    tiles = tile(start, end, stored, zone)
    edges = [start, *(t.end_ms for t in tiles)]
    assert [t.start_ms for t in tiles] == edges[:-1]
    assert edges[-1] == end
    assert all(a < b for a, b in pairwise(edges))
    assert {t.grain for t in tiles} <= set(stored)
    for t in tiles:
        for edge in (t.start_ms, t.end_ms):
            on = {"10s": edge % PANE_MS == 0, "1h": edge % HOUR_MS == 0, "1d": day_floor(edge, zone) == edge}
            assert on[t.grain]
    # as coarse as possible: no tile of a finer grain holds a whole pane of a coarser one
    for t in tiles:
        if "1d" in stored and t.grain != "1d":
            assert day_ceil(t.start_ms, zone) >= day_floor(t.end_ms, zone)
        if "1h" in stored and t.grain == "10s":
            assert -(-t.start_ms // HOUR_MS) >= t.end_ms // HOUR_MS


def test_an_edge_inside_a_pane_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin and end with a pane"):
        tile(5, PANE_MS, GRAINS, SHANGHAI)


@given(
    instants, st.integers(1, 3 * DAY_MS), st.sampled_from([10_000, 60_000, 300_000, HOUR_MS, 7 * HOUR_MS, None]), zones
)
def test_steps_are_whole_and_cover_what_was_asked(start: int, length: int, step: int | None, zone: ZoneInfo) -> None:
    try:
        cut = steps(start, start + length, step, zone)
    except TooManyPoints:
        assert step is not None
        assert length / step > 11_000
        return
    assert cut.start_ms <= start
    assert cut.end_ms >= start + length
    ends = [cut.end_of(i) for i in range(len(cut.starts))]
    assert [*cut.starts[1:], cut.end_ms] == ends
    assert cut.starts[0] == cut.start_ms
    if step is None:
        assert all(day_floor(s, zone) == s for s in (*cut.starts, cut.end_ms))
    else:
        assert {end - begin for begin, end in zip(cut.starts, ends, strict=True)} == {step}
        assert (cut.start_ms - day_floor(start, zone)) % step == 0


def test_a_sensible_step_fits_a_screen() -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    assert sensible_step(now - 600_000, now) == "10s"
    assert sensible_step(now - DAY_MS, now) == "5m"
    assert sensible_step(now - 365 * DAY_MS, now) == "1d"
