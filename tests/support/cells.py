"""Compare the cells of the oracle with those of an engine."""

from __future__ import annotations

import math

from metric_defs.registry import Registry
from tests.support.reference import Cells

SKETCH_ERROR = 0.02


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
