"""What a stored row costs: a column per measure beside the four shared columns, and merging at once beside later.

`make bench-layout` prints the figures that docs/decisions/0003 quotes: microseconds of CPU a row, best of three, in one run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from chdb import session

from metric_defs.compile.aggregates import STATE_TYPES

ROWS = 120_000
SUMS, SETS = 10, 8
KEYS = "cube String, pane DateTime('UTC'), shop String, channel String, campaign String"
KEY_VALUES = "'c' AS cube, toDateTime(number, 'UTC') AS pane, toString(number % 500) AS shop, 'offline' AS channel, '' AS campaign"
ONE_BLOCK = (
    "min_insert_block_size_rows = 1000000000, min_insert_block_size_bytes = 0, max_threads = 1, max_insert_threads = 1"
)


def layouts() -> dict[str, tuple[str, str]]:
    """Name -> (state columns, their values): of each row two sums are not zero and two sets have a member."""
    hashed = "sipHash128(number)"
    members = ", ".join(
        f"bitOr(toUInt128('{t << 96}'), bitShiftRight(reinterpretAsUInt128({hashed}), 32))" for t in (1, 2)
    )
    wide = [f"s{i} SimpleAggregateFunction(sum, Int64)" for i in range(SUMS)]
    wide += [f"x{i} AggregateFunction(uniqExact, String)" for i in range(SETS)]
    values = [f"toInt64({1 if i < 2 else 0}) AS s{i}" for i in range(SUMS)]
    values += [
        f"arrayReduce('uniqExactState', {'[toString(number)]' if i < 2 else 'CAST([], ' + repr('Array(String)') + ')'}) AS x{i}"
        for i in range(SETS)
    ]
    tagged = f"map(toUInt32(1), toInt64(1), toUInt32(2), toInt64(1)) AS sums, [{members}] AS sets"
    return {
        "a column per measure": (", ".join(wide), ", ".join(values)),
        "shared columns": (f"sums {STATE_TYPES['sums']}, sets {STATE_TYPES['sets']}", tagged),
    }


def measured(run: Callable[[str], Any], columns: str, values: str, merge_at_once: bool) -> tuple[float, float]:
    """CPU microseconds a row to insert one block, and to merge two."""
    inserts, merges = [], []
    run("DROP TABLE IF EXISTS made")
    run(f"CREATE TABLE made ENGINE = Memory AS SELECT {KEY_VALUES}, {values} FROM numbers({ROWS})")
    for _ in range(3):
        run("DROP TABLE IF EXISTS kept SYNC")
        run(
            f"CREATE TABLE kept ({KEYS}, {columns}) ENGINE = AggregatingMergeTree ORDER BY (cube, pane, shop, channel, campaign)"
        )
        run("SYSTEM STOP MERGES kept")
        for _ in range(2):
            begin = time.process_time()
            run(f"INSERT INTO kept SETTINGS {ONE_BLOCK}, optimize_on_insert = {int(merge_at_once)} SELECT * FROM made")
            inserts.append(time.process_time() - begin)
        run("SYSTEM START MERGES kept")
        begin = time.process_time()
        run("OPTIMIZE TABLE kept FINAL")
        merges.append(time.process_time() - begin)
    return min(inserts) / ROWS * 1e6, min(merges) / (2 * ROWS) * 1e6


def main() -> None:
    """Print one line a layout, and one JSON object at the end."""
    engine = session.Session()
    engine.query("CREATE DATABASE IF NOT EXISTS bench_layout")
    engine.query("USE bench_layout")
    figures: dict[str, float] = {}
    for name, (columns, values) in layouts().items():
        for merge_at_once in (True, False):
            insert, merge = measured(lambda sql: engine.query(sql, "Null"), columns, values, merge_at_once)
            label = f"{name}, {'merged at once' if merge_at_once else 'merged later'}"
            figures[f"{label}: insert"], figures[f"{label}: merge"] = round(insert, 2), round(merge, 2)
            print(f"{label:42} insert {insert:5.2f} µs a row   merge {merge:5.2f} µs a row", flush=True)
    ratio = figures["a column per measure, merged later: insert"] / figures["shared columns, merged later: insert"]
    print(
        json.dumps(
            {"bench": "layout", "figures": {**figures, "insert_ratio": round(ratio, 1)}, "bars": {}}, ensure_ascii=False
        )
    )


if __name__ == "__main__":
    main()
