"""Plain Faust doing the same cubes: one agent, one event at a time, dicts in memory. Run as a process of its own.

It is given every advantage: base panes only (no hours, no days), no duplicates looked for, nothing checked, nothing kept,
nothing written to any store, each measure judged once an event however many cubes hold it.

    python -m tests.bench.peer_plain_faust BOOTSTRAP TOPIC RECORDS   prints {"records": …, "seconds": …, "cells": …}
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import faust

from metric_defs import Registry, load_registry
from metric_defs.models import PANE_MS

Record = dict[str, Any]


def python_of(sql: str) -> str:
    """A measure's filter or argument as Python over the record ``e``. Handles what the orders' measures use."""
    text = re.sub(r"`(\w+)`", r"e['\1']", sql).replace(" = ", " == ").replace("<>", "!=")
    return re.sub(r"\b(AND|OR|NOT|IN)\b", lambda m: m[1].lower(), text)


def compiled(
    registry: Registry,
) -> tuple[list[tuple[str, Callable[[Record], Any]]], list[tuple[tuple[str, ...], frozenset[int]]]]:
    """Measures as (kind, function giving a value or None), and cubes as (dimensions, indices of their measures)."""
    measures = [m for m in registry.measures.values() if m.measure.event == "orders"]
    functions: list[tuple[str, Callable[[Record], Any]]] = []
    for m in measures:
        value = "1" if m.aggregate.function == "count" else ", ".join(python_of(a) for a in m.aggregate.arguments)
        condition = python_of(m.condition.sql) or "True"
        functions.append(
            (
                "set" if m.aggregate.function.startswith("uniq") else "sum",
                eval(f"lambda e: ({value}) if {condition} else None"),  # noqa: S307
            )
        )
    index = {m.measure.measure: i for i, m in enumerate(measures)}
    cubes = [
        (c.dimensions, frozenset(index[m.measure.measure] for m in registry.measures_in_cube(n, "orders")))
        for n, c in registry.cubes.items()
    ]
    return functions, [c for c in cubes if c[1]]


def main(bootstrap: str, topic_name: str, records: int) -> None:
    """Count until ``records`` are seen, print the figures, end."""
    functions, cubes = compiled(load_registry())
    cells: dict[tuple[Any, ...], dict[int, Any]] = {}
    state = {"seen": 0, "begin": 0.0}
    app = faust.App(
        f"peer-{time.time_ns()}",
        broker=f"kafka://{bootstrap}",
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        datadir=tempfile.mkdtemp(),
    )
    topic = app.topic(topic_name, value_serializer="json", internal=False)

    async def count(stream: Any) -> None:
        async for e in stream:
            if not state["seen"]:
                state["begin"] = time.perf_counter()
            state["seen"] += 1
            e = {"item_id": "", "campaign_id": "", "channel": "", "room_id": "", "quantity": 1, **e}
            pane = e["event_time"] // PANE_MS
            passed = [(i, kind, v) for i, (kind, f) in enumerate(functions) if (v := f(e)) is not None]
            for number, (dimensions, held) in enumerate(cubes):
                key = (number, pane, *(e[d] for d in dimensions))
                cell = cells.get(key)
                if cell is None:
                    cell = cells[key] = {}
                for i, kind, value in passed:
                    if i in held:
                        if kind == "sum":
                            cell[i] = cell.get(i, 0) + value
                        elif i in cell:
                            cell[i].add(value)
                        else:
                            cell[i] = {value}
            if state["seen"] >= records:
                print(
                    json.dumps(
                        {"records": state["seen"], "seconds": time.perf_counter() - state["begin"], "cells": len(cells)}
                    ),
                    flush=True,
                )
                os._exit(0)

    app.agent(topic, name="count")(count)
    asyncio.run(_forever(app))


async def _forever(app: Any) -> None:
    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
