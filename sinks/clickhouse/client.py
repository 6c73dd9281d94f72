"""A thin, typed edge around clickhouse-connect: the same for a server by URL and for the embedded store."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from metric_defs.compile.append import FENCED
from sinks.errors import Fenced, StoreError, StoreRejected, StoreUnavailable

# both log what they also raise, with a traceback; the error travels on as a StoreError, said once
for _name in ("clickhouse_connect", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_CODE = re.compile(r"(?:[Cc]ode:?\s*)(\d+)")
_TRANSIENT = {159, 160, 164, 202, 203, 209, 210, 236, 241, 242, 243, 252, 285, 319, 364, 394, 425, 999}
"""Timeouts, too many parts or queries, memory or disk exhausted, read-only replica, shutting down: worth another try.
Numbers from ClickHouse's ErrorCodes.cpp."""


@dataclass(frozen=True, slots=True)
class StoreConnection:
    """Where the store is and who we are there. ``url`` is http(s)://host:port."""

    url: str
    database: str = "metricgrid"
    username: str = "default"
    password: str = ""
    ca_file: str | None = None
    connect_timeout_s: float = 5
    read_timeout_s: float = 60


class ClickHouse:
    """Queries and inserts. Safe to use from several threads. Every error leaves as a StoreError."""

    def __init__(self, connection: StoreConnection, settings: Mapping[str, Any] | None = None) -> None:
        self.connection = connection
        self._settings = dict(settings or {})
        self._client: Any = None
        self._lock = threading.Lock()

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Result rows of a query with typed ``{name:Type}`` parameters."""
        result = self._call("query", sql, parameters=dict(parameters or {}), settings=dict(settings or {}))
        return [tuple(row) for row in result.result_rows]

    def raw(self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        """Result of a query as bytes of a ClickHouse format."""
        return bytes(self._call("raw_query", sql, parameters=dict(parameters or {}), fmt=fmt))

    def execute(self, sql: str, settings: Mapping[str, Any] | None = None) -> None:
        """A statement without a result."""
        self._call("command", sql, settings=dict(settings or {}))

    def insert(self, sql: str, body: bytes, settings: Mapping[str, Any] | None = None) -> None:
        """An INSERT … FORMAT … statement with its data."""
        # not command(data=…), which reads the whole body as text to see whether it may be retried
        self._call("raw_insert", insert_block=b"".join((sql.encode(), b"\n", body)), settings=dict(settings or {}))

    def insert_rows(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A few rows of plain values."""
        self._call("insert", table, rows, column_names=list(columns))

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(self._connected(), method)(*args, **kwargs)
        except (ClickHouseError, OSError) as exc:
            raise self._translated(exc) from exc

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect(self.connection.database)
            return self._client

    def _connect(self, database: str) -> Any:
        c, url = self.connection, urlsplit(self.connection.url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise StoreRejected(0, f"'{c.url}' is no ClickHouse URL; write http://HOST:8123 or https://HOST:8443")
        return clickhouse_connect.get_client(
            host=url.hostname,
            port=url.port or (8443 if url.scheme == "https" else 8123),
            secure=url.scheme == "https",
            username=c.username,
            password=c.password,
            database=database,
            ca_cert=c.ca_file,
            autogenerate_session_id=False,
            connect_timeout=c.connect_timeout_s,
            send_receive_timeout=c.read_timeout_s,
            query_retries=0,
            settings=self._settings,
        )

    def create_database(self) -> None:
        """Create the connection's database if it is missing (asked of the server's default database)."""
        try:
            client = self._connect("default")
            try:
                client.command(f"CREATE DATABASE IF NOT EXISTS `{self.connection.database}`")
            finally:
                client.close()
        except (ClickHouseError, OSError) as exc:
            raise self._translated(exc) from exc

    def _translated(self, exc: Exception) -> StoreError:
        text = str(exc)
        if f"DB::Exception: {FENCED}" in text:  # other errors may quote the statement, and FENCED with it
            return Fenced("the lane's ledger has moved on: another worker owns it now")
        match = _CODE.search(text) if isinstance(exc, DatabaseError) else None
        code = int(match[1]) if match else 0
        if match and code not in _TRANSIENT and not isinstance(exc, OperationalError):
            return StoreRejected(code, f"ClickHouse at {self.connection.url} refused: {_short(text)}")
        return StoreUnavailable(f"ClickHouse at {self.connection.url} did not answer as it should: {_short(text)}")


def _short(text: str) -> str:
    """The first line of an engine's message, without the query it repeats."""
    return text.split("\n", 1)[0][:500]
