"""Read the cells of a store as the service reads them, and compare them with those of the oracle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from metric_defs.compile.read import CellsRequest, Tile, plan_read
from metric_defs.models import PANE_MS
from metric_defs.registry import Registry
from tests.support.reference import Cells

SKETCH_ERROR = 0.02
_FOREVER_MS = 4_000_000_000_000


class Answers(Protocol):
    """What can be asked: sinks.clickhouse.client.ClickHouse, or MemoryStore."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Result rows of a query."""


def stored_cells(store: Answers, registry: Registry) -> Cells:
    """Every stored cell with all measures of its cube."""
    found: Cells = {}
    for name, cube in registry.cubes.items():
        measures = tuple(m.measure.measure for m in registry.measures_in_cube(name))
        for grain in cube.grains:
            tiles = (Tile(grain, 0, _FOREVER_MS),)
            plan = plan_read(registry, CellsRequest(measures, tiles, cube.dimensions, step_ms=PANE_MS))
            assert plan.cube == name
            cut = 1 + len(cube.dimensions)
            for row in store.rows(plan.sql, plan.parameters):
                found[name, grain, row[0], row[1:cut]] = dict(zip(measures, row[cut:], strict=True))
    return found


def differences(registry: Registry, expected: Cells, found: Cells) -> list[str]:
    """What differs, in words. A cell that is not there is one of zeros."""
    words = []
    stored = {key for key in expected if key[1] in registry.cubes[key[0]].grains}
    for key in sorted(stored | found.keys(), key=repr):
        for measure in sorted(expected.get(key, {}).keys() | found.get(key, {}).keys()):
            want, have = expected.get(key, {}).get(measure, 0), found.get(key, {}).get(measure, 0)
            if not _equal(registry, measure, want, have):
                words.append(f"{key} {measure}: {have}, not {want}")
    return words


def _equal(registry: Registry, measure: str, want: float, have: float) -> bool:
    if registry.measures[measure].aggregate.function == "uniqCombined64":
        return abs(want - have) <= max(1, SKETCH_ERROR * want)
    return want == have or (isinstance(want, float) and math.isclose(want, have, rel_tol=1e-9))
