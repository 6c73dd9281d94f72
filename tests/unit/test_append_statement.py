"""The append statement's text; what it does is seen on a store in tests/integration/test_exactly_once.py."""

from __future__ import annotations

import pytest

from metric_defs.compile.append import FENCED, append_settings, append_statement
from metric_defs.compile.layout import panes_columns
from tests.support.catalogs import kiosk_registry

REGISTRY = kiosk_registry()


@pytest.mark.parametrize("lane", ["", "0", "1-", "-1", "1-2-3", "a-1", "1-1'", "1-1 ", "1-1\n"])
def test_a_lane_is_two_numbers(lane: str) -> None:
    with pytest.raises(ValueError, match="is no lane"):
        append_statement(REGISTRY, lane, 0, "")


@pytest.mark.parametrize("worker", ["a b", "a'b", "a;b", "é", "a\n", "a/b"])
def test_a_worker_id_is_plain(worker: str) -> None:
    with pytest.raises(ValueError, match="is no worker id"):
        append_statement(REGISTRY, "1-0", 1, worker)


def test_every_column_but_the_lane_comes_from_the_body_and_the_condition_is_asked_of_the_ledger() -> None:
    text = append_statement(REGISTRY, "12-3", 7, "worker.1-a_B")
    head, _, rest = text.partition(" FROM input(")
    body, _, condition = rest.partition(") WHERE ")
    for column in panes_columns(REGISTRY):
        assert head.count(f"`{column.name}`") == 2  # inserted and selected
        assert (f"`{column.name}` " in body) is (column.name != "lane")
    assert "'12-3' AS `lane`" in head
    assert "!= '7:worker.1-a_B'" in condition
    assert FENCED in condition
    assert text.endswith(" FORMAT Native")


def test_a_flush_lands_once_and_as_one_block() -> None:
    first, second = append_settings("12-3", 8), append_settings("12-3", 9)
    assert first["max_insert_threads"] == first["max_threads"] == "1"
    differing = [name for name in first if first[name] != second[name]]
    assert differing == ["insert_deduplication_token"]
