"""What an error of the store asks of the caller, told by its type."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from metric_defs.compile.append import FENCED
from sinks.clickhouse.client import ClickHouse, StoreConnection
from sinks.errors import Fenced, StoreRejected, StoreUnavailable

STORE = ClickHouse(StoreConnection("http://127.0.0.1:1"))
RECEIVED = "Received ClickHouse exception, code: {0}, server response: Code: {0}. DB::Exception: {1} (for url http://x)"


def received(code: int, text: str) -> DatabaseError:
    return DatabaseError(RECEIVED.format(code, text))


@pytest.mark.parametrize(("error", "kind"), [
    (received(395, f"{FENCED}: while executing 'FUNCTION throwIf(1, '{FENCED}') :: 0'. (X)"), Fenced),
    (received(395, f"Received from shop-db:9000. DB::Exception: {FENCED}."), Fenced),
    (received(241, f"Memory limit exceeded: while executing 'FUNCTION throwIf(1, '{FENCED}')'"), StoreUnavailable),
    (received(47, f"Unknown identifier x in scope SELECT throwIf(1, '{FENCED}')"), StoreRejected),
    (received(252, "Too many parts"), StoreUnavailable),
    (received(60, "Table t.panes does not exist"), StoreRejected),
    (OperationalError("Error timeout executing HTTP request"), StoreUnavailable),
    (OperationalError("HTTP driver: 503 Service Unavailable, code: 60"), StoreUnavailable),
    (DatabaseError("no number in it"), StoreUnavailable),
    (ConnectionResetError("reset by peer"), StoreUnavailable),
])  # fmt: skip
def test_an_error_is_told_by_what_it_asks_of_the_caller(error: Exception, kind: type[Exception]) -> None:
    found = STORE._translated(error)
    assert type(found) is kind, found
    assert "\n" not in str(found)


def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:1 did not answer"):
        STORE.rows("SELECT 1")


def test_an_address_of_no_kind_is_refused_with_a_hint() -> None:
    with pytest.raises(StoreRejected, match="write http://HOST:8123"):
        ClickHouse(StoreConnection("tcp://x:9000")).rows("SELECT 1")
