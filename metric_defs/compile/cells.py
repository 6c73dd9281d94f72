"""From decoded events to cells: one aggregation pass for cubes that share measures, then all grains from its result."""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.compile.aggregates import STATE_TYPES, Kind, MeasureSql, measure_sql, rolled_up
from metric_defs.compile.layout import dimension_columns, literal, quoted
from metric_defs.models import PANE_MS, Event, Grain
from metric_defs.registry import CompiledMeasure, Registry

SHARED_PASS = 0.4
"""A cube joins a pass when it holds at least this share of the pass's measures; the rest it then stores as well, unread."""


@dataclass(frozen=True, slots=True)
class CellQuery:
    """Cubes that hold the same measures, aggregated in one pass: ``fill`` a table of base cells, ``emit`` them with all grains.
    ``fill_judged`` leaves out the records in the caller's table ``verdicts``."""

    table: str
    create: str
    fill: str
    fill_judged: str
    emit: str


def cell_queries(registry: Registry, event: Event, stage: str) -> tuple[CellQuery, ...]:
    """Group the cubes into few passes: each costs a scan of the events, each foreign measure in a cube some bytes a cell."""
    held = {q: {m.measure.measure for m in registry.measures_in_cube(q, event.event)} for q in registry.cubes}
    passes: list[tuple[list[str], set[str]]] = []
    for cube in sorted((q for q in held if held[q]), key=lambda q: -len(held[q])):
        for cubes, measures in passes:
            if (
                held[cube] <= measures
                and len(held[cube]) >= SHARED_PASS * len(measures)
                and _kinds(registry, held[cube]) == _kinds(registry, measures)
            ):
                cubes.append(cube)
                break
        else:
            passes.append(([cube], held[cube]))
    return tuple(
        _Pass(
            registry,
            event,
            stage,
            f"cells_{event.event}_{i}",
            cubes,
            [m for n, m in registry.measures.items() if n in measures],
        ).query()
        for i, (cubes, measures) in enumerate(passes)
    )


def _kinds(registry: Registry, measures: set[str]) -> set[Kind]:
    return {measure_sql(registry.measures[m]).kind for m in measures}


class _Pass:
    """Writes the SQL of one pass. Base cells hold plain numbers ``k_n0, k_n1, …`` for sums, so that rolling them up is cheap;
    the maps of the stored layout are made on the way out. Every name of its own starts with ``k_``, which no field's does."""

    def __init__(
        self,
        registry: Registry,
        event: Event,
        stage: str,
        table: str,
        cubes: list[str],
        measures: list[CompiledMeasure],
    ) -> None:
        self.registry, self.event, self.stage, self.table, self.cubes = registry, event, stage, table, cubes
        self.names = [
            c.name for c in dimension_columns(registry) if any(c.name in registry.cubes[q].dimensions for q in cubes)
        ]
        self.dims = [quoted(n) for n in self.names]
        self.sql = [measure_sql(m) for m in measures]
        self.numbers = {f"k_n{i}": s for i, s in enumerate(self.sql) if s.kind in ("sums", "fsums")}
        kinds: tuple[Kind, ...] = ("sets", "sketches")
        self.states = [k for k in kinds if any(s.kind == k for s in self.sql)]

    def query(self) -> CellQuery:
        types = [
            *(f"{n} {'Float64' if s.kind == 'fsums' else 'Int64'}" for n, s in self.numbers.items()),
            *(f"{k} {STATE_TYPES[k]}" for k in self.states),
        ]
        coarser = (
            self._coarser("1h", "toStartOfHour(`pane`)"),
            self._coarser("1d", f"toDateTime(toStartOfDay(`pane`, '{self.registry.settings.zone}'), 'UTC')"),
        )
        columns = ["`cube` String", "`pane` DateTime('UTC')", *(f"{d} String" for d in self.dims), *types]
        return CellQuery(
            table=self.table,
            create=f"CREATE TABLE {self.table} ({', '.join(columns)}) ENGINE = Memory",
            fill=self._fill("k_reason = 0"),
            fill_judged=self._fill("k_reason = 0 AND k_offset NOT IN (SELECT k_offset FROM Python(verdicts))"),
            emit=" UNION ALL ".join(q for q in (self._out("10s", "`pane`", self.table), *coarser) if q),
        )

    def _fill(self, where: str) -> str:
        sets = ", ".join(
            "(" + ", ".join(["k_pane", *(quoted(d) for d in self.registry.cubes[q].dimensions)]) + ")"
            for q in self.cubes
        )
        pane = f"toDateTime(intDiv({quoted(self.event.time)}, {PANE_MS}) * {PANE_MS // 1000}, 'UTC')"
        events = ", ".join([f"{pane} AS k_pane", "*", *_elements(self.sql)])
        made = [
            f"{self._cube_name()} AS k_cube",
            "k_pane",
            *self.dims,
            *(f"{s.partial} AS {n}" for n, s in self.numbers.items()),
        ]
        if "sets" in self.states:
            made.append("groupUniqArrayArray(k_set_elements) AS k_sets")
        if "sketches" in self.states:
            made.append("uniqCombined64MapState(k_sketch_elements) AS k_sketches")
        columns = ", ".join(["`cube`", "`pane`", *self.dims, *self.numbers, *self.states])
        return (
            f"INSERT INTO {self.table} ({columns}) SELECT {', '.join(made)} "
            f"FROM (SELECT {events} FROM {self.stage} WHERE {where}) GROUP BY GROUPING SETS ({sets})"
        )

    def _coarser(self, grain: Grain, start: str) -> str:
        wanted = ", ".join(literal(q) for q in self.cubes if grain in self.registry.cubes[q].grains)
        if not wanted:
            return ""
        states = [*(f"sum({n}) AS k_r_{n}" for n in self.numbers), *(f"{rolled_up(k)} AS k_r_{k}" for k in self.states)]
        inner = (
            f"SELECT {', '.join(['`cube`', f'{start} AS k_coarse', *self.dims, *states])} FROM {self.table} WHERE `cube` IN ({wanted}) "
            f"GROUP BY {', '.join(['`cube`', 'k_coarse', *self.dims])}"
        )
        return self._out(grain, "k_coarse AS `pane`", f"({inner})", "k_r_")

    def _out(self, grain: Grain, pane: str, source: str, prefix: str = "") -> str:
        """Rows in the stored layout; sums of zero are left out of their map."""
        columns = ["`cube`", f"'{grain}' AS `grain`", pane, *self.dims]
        kinds: tuple[Kind, ...] = ("sums", "fsums")
        for kind in kinds:
            pairs = ", ".join(f"toUInt32({s.tag}), {prefix}{n}" for n, s in self.numbers.items() if s.kind == kind)
            if pairs:
                columns.append(f"mapFilter((k, v) -> v != 0, map({pairs})) AS {kind}")
        columns += [f"{prefix}{k} AS {k}" for k in self.states]
        return f"SELECT {', '.join(columns)} FROM {source}"

    def _cube_name(self) -> str:
        """The cube a row of GROUPING SETS belongs to: grouping() sets a bit for each dimension its set lacks, first one highest."""
        if not self.names:
            return literal(self.cubes[0])
        top = len(self.names) - 1
        masks = [
            sum(1 << (top - i) for i, d in enumerate(self.names) if d not in self.registry.cubes[q].dimensions)
            for q in self.cubes
        ]
        return (
            f"transform(grouping({', '.join(self.dims)}), {masks}, [{', '.join(literal(q) for q in self.cubes)}], '')"
        )


def _elements(sql: list[MeasureSql]) -> list[str]:
    """What each event adds to the sets and sketches, computed once for all grouping sets."""
    found = []
    sets = [s.partial for s in sql if s.kind == "sets"]
    if sets:
        found.append(f"arrayConcat({', '.join(sets)}) AS k_set_elements")
    sketches = [s for s in sql if s.kind == "sketches"]
    if sketches:
        keys = ", ".join(f"arrayMap(h -> toUInt32({s.tag}), {s.partial})" for s in sketches)
        found.append(
            f"mapFromArrays(arrayConcat({keys}), arrayConcat({', '.join(s.partial for s in sketches)})) AS k_sketch_elements"
        )
    return found
