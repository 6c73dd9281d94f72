"""The audit's question: do the stored cells equal a recount of the raw events, cell by cell?

Both sides run in the store from the same definitions; the plain aggregate over raw events on one side, the merged
states on the other. What is compared is thus everything between: decoding, verdicts, states, roll-ups and flushes.
"""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.compile.aggregates import KINDS, measure_sql, merged
from metric_defs.compile.layout import quoted, raw_table
from metric_defs.models import PANE_MS
from metric_defs.registry import FLOAT_SUM_ERROR, CompiledMeasure, Registry

SKETCH_TOLERANCE = 0.02
"""Allowed relative difference of sketches, seven times their standard error of about 0.3 %."""


@dataclass(frozen=True, slots=True)
class RecountQuery:
    """``compare`` returns (cells, differing cells); ``examples`` returns up to ten differing cells as
    (pane, dimensions…, stored…, recounted…), columns named by ``columns``."""

    event: str
    cube: str
    grain: str
    compare: str
    examples: str
    columns: tuple[str, ...]


def recount_queries(registry: Registry, event_name: str, source: str | None = None) -> tuple[RecountQuery, ...]:
    """One query per cube and grain that stores measures of the event.

    ``source``: a table or sub-query with the event's fields, k_partition, k_offset and k_verdict; default its raw table.
    Parameters: ``limits`` Map(UInt32, Int64): per partition the first offset not counted yet; ``until`` (epoch s): only panes
    that start earlier are compared.
    """
    found = []
    for cube in registry.cubes:
        measures = registry.measures_in_cube(cube, event_name)
        if measures:
            found += [
                _query(registry, event_name, cube, grain, measures, source) for grain in registry.cubes[cube].grains
            ]
    return tuple(found)


def _query(
    registry: Registry,
    event_name: str,
    cube: str,
    grain: str,
    measures: tuple[CompiledMeasure, ...],
    source: str | None,
) -> RecountQuery:
    event = registry.events[event_name]
    dims = [quoted(d) for d in registry.cubes[cube].dimensions]
    sql = [measure_sql(m) for m in measures]
    states = ", ".join(
        merged(kind, [s.tag for s in sql if s.kind == kind]) for kind in KINDS if any(s.kind == kind for s in sql)
    )
    moment = f"toDateTime(intDiv({quoted(event.time)}, {PANE_MS}) * {PANE_MS // 1000}, 'UTC')"
    pane = {
        "10s": moment,
        "1h": f"toStartOfHour({moment})",
        "1d": f"toDateTime(toStartOfDay({moment}, '{registry.settings.zone}'), 'UTC')",
    }[grain]
    stored = ", ".join(f"{s.value} AS k_s{i}" for i, s in enumerate(sql))
    counted = ", ".join(f"{s.recount} AS k_r{i}" for i, s in enumerate(sql))
    keys = ", ".join(["k_p", *(f"k_d{i}" for i in range(len(dims)))])
    names = "".join(f", {d} AS k_d{i}" for i, d in enumerate(dims))
    until = "toDateTime({until:UInt32}, 'UTC')"
    raw = source or f"(SELECT * FROM {raw_table(event)} FINAL)"
    # a cell whose own measures are all empty may be there for another event's sake: it is no difference
    differs = " OR ".join(_differs(m, f"k_s{i}", f"k_r{i}") for i, m in enumerate(measures))
    joined = (
        f"(SELECT {keys}, {stored} FROM (SELECT pane AS k_p{names}, {states} FROM panes "
        f"WHERE cube = '{cube}' AND grain = '{grain}' AND seq = 0 AND pane < {until} GROUP BY {keys})) AS stored "
        f"FULL JOIN (SELECT {pane} AS k_p{names}, {counted} FROM {raw} "
        f"WHERE k_verdict = 0 AND k_offset < {{limits:Map(UInt32, Int64)}}[k_partition] AND {pane} < {until} "
        f"GROUP BY {keys}) AS recount USING ({keys})"
    )
    columns = (
        "pane",
        *registry.cubes[cube].dimensions,
        *(f"{m.measure.measure} stored" for m in measures),
        *(f"{m.measure.measure} recounted" for m in measures),
    )
    values = ", ".join([*(f"k_s{i}" for i in range(len(sql))), *(f"k_r{i}" for i in range(len(sql)))])
    return RecountQuery(
        event_name,
        cube,
        grain,
        f"SELECT count(), countIf({differs}) FROM {joined}",
        f"SELECT {keys}, {values} FROM {joined} WHERE {differs} ORDER BY {keys} LIMIT 10",
        columns,
    )


def _differs(measure: CompiledMeasure, stored: str, recounted: str) -> str:
    if measure.exact:
        return f"{stored} != {recounted}"
    if measure.aggregate.function == "sum":
        return f"abs({stored} - {recounted}) > {FLOAT_SUM_ERROR} * greatest(abs({stored}), abs({recounted}))"
    return f"abs(toFloat64({stored}) - toFloat64({recounted})) > {SKETCH_TOLERANCE} * {recounted} + 1"
