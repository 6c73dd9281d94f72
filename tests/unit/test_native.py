"""Our few lines of ClickHouse's Native format, read back by ClickHouse's own engine."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from chdb import session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.clickhouse.native import native_block

TYPES = {
    "UInt8": st.integers(0, 255), "UInt16": st.integers(0, 65_535), "UInt32": st.integers(0, 2**32 - 1),
    "UInt64": st.integers(0, 2**64 - 1), "Int64": st.integers(-(2**63), 2**63 - 1),
    "DateTime('UTC')": st.integers(0, 2**32 - 1), "String": st.text(st.characters(exclude_categories=["Cs"])),
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    made = session.Session()
    columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(TYPES))
    for statement in ("CREATE DATABASE native", "USE native", f"CREATE TABLE t ({columns}) ENGINE = Memory"):
        made.query(statement, "Null")
    yield made
    made.query("DROP DATABASE native", "Null")
    made.close()


def read_back(engine: Any, block: bytes) -> list[tuple[Any, ...]]:
    engine.query("TRUNCATE TABLE t", "Null")
    with engine.send_insert("INSERT INTO t", "Native") as inserter:
        inserter.append(block)
        inserter.finish()
    text = engine.query("SELECT * REPLACE (toUnixTimestamp(c5) AS c5) FROM t", "JSONCompactEachRow").bytes() or b""
    return [tuple(json.loads(line)) for line in text.decode().split("\n") if line]


def block_of(rows: list[tuple[Any, ...]]) -> bytes:
    return native_block([(f"c{i}", kind, [r[i] for r in rows]) for i, kind in enumerate(TYPES)])


@given(rows=st.lists(st.tuples(*TYPES.values()), max_size=5))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_engine_reads_what_was_written(engine: Any, rows: list[tuple[Any, ...]]) -> None:
    assert read_back(engine, block_of(rows)) == rows


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 100_000])
def test_lengths_around_the_edges_of_a_varint(engine: Any, length: int) -> None:
    rows = [(1, 2, 3, 4, -5, 6, "é" * (length // 2) + "x" * (length % 2))]
    assert read_back(engine, block_of(rows)) == rows


def test_many_rows_and_several_blocks_in_one_stream(engine: Any) -> None:
    rows = [(i % 256, i % 65_536, i, i, -i, i, str(i)) for i in range(300)]
    assert sorted(read_back(engine, block_of(rows[:129]) + block_of(rows[129:]))) == sorted(rows)


def test_columns_of_different_length_and_numbers_too_great_are_refused() -> None:
    with pytest.raises(ValueError, match=r"columns of one block have one length, not \[1, 2\]"):
        native_block([("a", "UInt8", [1]), ("b", "UInt8", [1, 2])])
    with pytest.raises(struct.error):
        native_block([("a", "UInt8", [256])])
