"""The kernel's SQL for one event: decode a flush of raw JSON, judge its shape, and aggregate what counts into cells.

The rules of decoding are those of docs/semantics.md. One JSONExtract reads every declared field of a record at once;
numbers are read as Float64, whose exact range (2^53 - 1) is the range allowed, so that a fraction or an overflow is
seen instead of being cut off silently, as reading them as Int64 would do.
"""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.compile.aggregates import STATE_TYPES, Kind, MeasureSql, measure_sql, rolled_up
from metric_defs.compile.layout import dimension_columns, quoted, raw_columns
from metric_defs.expressions import COLUMN_TYPES
from metric_defs.models import PANE_MS, Event, EventField, Grain
from metric_defs.registry import CompiledMeasure, Registry

REASONS = ("", "empty", "too_large", "not_json", "missing_field", "bad_field", "unknown_value", "time_out_of_range", "future")
"""Why a record is dead; the index is the code the decode query returns (0: it is not)."""
MAX_RECORD_BYTES = 1_048_576
MIN_EVENT_TIME_MS = 946_684_800_000
"""2000-01-01T00:00:00Z; earlier event times are dead."""
MAX_INTEGER = 2**53 - 1
_BASE_GRAIN = "'10s' AS `grain`"


@dataclass(frozen=True, slots=True)
class CellQuery:
    """Cubes that hold the same measures, aggregated in one pass: into a table of base cells, then out with all grains."""

    table: str
    create: str
    fill: str
    fill_judged: str
    emit: str


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """Statements for one event. They read two tables of the caller's by name: ``batch`` (o Int64: offset, raw binary) and
    ``verdicts`` (o Int64, verdict UInt8: duplicates and too-late records). Query parameters: ``now_ms``, ``partition``."""

    event: Event
    stage: str
    create_stage: str
    decode: str
    judge: str
    raw: str
    raw_judged: str
    cells: tuple[CellQuery, ...]


def kernel_plan(registry: Registry, event_name: str) -> KernelPlan:
    """Compile one event of the registry."""
    event = registry.events[event_name]
    stage = f"stage_{event.event}"
    hashes = _hashes(registry, event)
    fields = ", ".join([*(f"{quoted(n)} {COLUMN_TYPES[f.type]}" for n, f in event.fields.items()), *(f"{n} {s.hash_type}" for n, s in hashes.items())])
    raw_fields = ", ".join(quoted(c.name) for c in raw_columns(event)[3:])
    return KernelPlan(
        event=event,
        stage=stage,
        create_stage=f"CREATE TABLE {stage} (o Int64, reason UInt8, h FixedString(16), {fields}) ENGINE = Memory",
        decode=_decode(event, stage, hashes),
        # RowBinary rows of 25 bytes: key hash, event time, reason
        judge=f"SELECT h, {quoted(event.time)}, reason FROM {stage}",
        raw=f"SELECT {{partition:UInt32}} AS k_partition, o AS k_offset, toUInt8(0) AS k_verdict, {raw_fields} FROM {stage} WHERE reason = 0",
        raw_judged=(f"SELECT {{partition:UInt32}} AS k_partition, s.o AS k_offset, toUInt8(v.verdict) AS k_verdict, {raw_fields} "
                    f"FROM {stage} AS s LEFT ANY JOIN (SELECT o, verdict FROM Python(verdicts)) AS v ON s.o = v.o WHERE reason = 0"),
        cells=tuple(_cell_queries(registry, event, stage)),
    )


def _hashes(registry: Registry, event: Event) -> dict[str, MeasureSql]:
    """Columns of hashed values that the event's distinct counts need, each once."""
    sql = [measure_sql(m) for m in registry.measures.values() if m.measure.event == event.event]
    return {s.hash_name: s for s in sql if s.hashed}


def _decode(event: Event, stage: str, hashes: dict[str, MeasureSql]) -> str:
    tree = _Tree.of(event)
    columns = ", ".join(_typed(tree.access[n], f) + f" AS f_{n}" for n, f in event.fields.items())
    key = event.dedupe.key if event.dedupe else (event.key,)
    named = ", ".join(f"f_{n} AS {quoted(n)}" for n in event.fields)
    added = "".join(f", {s.hashed} AS {n}" for n, s in hashes.items())
    return (
        f"INSERT INTO {stage} SELECT *{added} FROM (SELECT o, {_reason(event, tree)} AS reason, sipHash128({', '.join(f'f_{k}' for k in key)}) AS h, "
        f"{named} FROM (SELECT o, raw, e, {columns} FROM "
        f"(SELECT o, raw, JSONExtract(raw, '{tree.type}') AS e FROM (SELECT o, assumeNotNull(raw) AS raw FROM Python(batch)))))"
    )


def _typed(access: str, field: EventField) -> str:
    if field.type == "string":
        return f"ifNull({access}, {_literal(field.default or '')})"
    if field.type == "number":
        return f"ifNull({access}, toFloat64({field.default or 0}))"
    # a value out of range is judged by its Float64; the cast of such a value is never counted
    default = int(field.default or 0)
    cast = "toUInt8" if field.type == "boolean" else "toInt64"
    bound = 1 if field.type == "boolean" else MAX_INTEGER
    return f"if(abs(ifNull({access}, {default})) <= {bound}, {cast}(ifNull({access}, {default})), {cast}({default}))"


def _reason(event: Event, tree: _Tree) -> str:
    """Code of REASONS. The costly questions stand in branches that are evaluated only for the rows that reach them."""
    required = [n for n, f in event.fields.items() if f.required]
    suspicious = " OR ".join([f"isNull({tree.access[n]})" for n in required] +
                             [f"f_{n} = ''" for n in required if event.fields[n].type == "string"])
    missing = " OR ".join(
        f"f_{n} = ''" if event.fields[n].type == "string" else f"JSONType(raw, {tree.path[n]}) = 'Null'" for n in required)
    bad = " OR ".join(_bad(tree, n, f) for n, f in event.fields.items() if f.type != "string") or "0"
    unknown = " OR ".join(
        f"(f_{n} NOT IN ({', '.join(_literal(v) for v in f.values)})" + ("" if f.required else f" AND f_{n} != {_literal(f.default or '')}") + ")"
        for n, f in event.fields.items() if f.values) or "0"
    code = {name: index for index, name in enumerate(REASONS)}
    return (
        f"multiIf(length(raw) = 0, {code['empty']}, "
        f"NOT startsWith(raw, '{{') AND NOT match(raw, '^[ \\\\t\\\\r\\\\n]*\\\\{{'), {code['not_json']}, "
        f"({suspicious}) AND NOT isValidJSON(raw), {code['not_json']}, "
        f"({suspicious}) AND ({missing}), {code['missing_field']}, "
        f"{bad}, {code['bad_field']}, {unknown}, {code['unknown_value']}, "
        f"f_{event.time} < {MIN_EVENT_TIME_MS}, {code['time_out_of_range']}, f_{event.time} > {{now_ms:Int64}} + {event.future_cap}, {code['future']}, 0)"
    )


def _bad(tree: _Tree, name: str, field: EventField) -> str:
    access, unread = tree.access[name], f"(isNull({tree.access[name]}) AND JSONType(raw, {tree.path[name]}) != 'Null')"
    wrong = {
        "number": f"NOT isFinite(assumeNotNull({access}))",
        "boolean": f"assumeNotNull({access}) NOT IN (0, 1)",
    }.get(field.type, f"NOT (abs(assumeNotNull({access})) <= {MAX_INTEGER} AND assumeNotNull({access}) = trunc(assumeNotNull({access})))")
    return f"{unread} OR (isNotNull({access}) AND {wrong})"


@dataclass(frozen=True, slots=True)
class _Tree:
    """The Tuple type that reads all fields in one pass; ``a.b`` paths nest. ``access`` and ``path`` are per field."""

    type: str
    access: dict[str, str]
    path: dict[str, str]

    @classmethod
    def of(cls, event: Event) -> _Tree:
        nested: dict[str, object] = {}
        for name, field in event.fields.items():
            here = nested
            *parents, leaf = (field.path or name).split(".")
            for part in parents:
                child = here.setdefault(part, {})
                here = child if isinstance(child, dict) else here
            here[leaf] = "String" if field.type == "string" else "Float64"
        access, path = {}, {}
        for name, field in event.fields.items():
            parts = (field.path or name).split(".")
            access[name] = _access(nested, parts)
            path[name] = ", ".join(_literal(p) for p in parts)
        return cls(_tuple_type(nested).replace("'", "\\'"), access, path)


def _tuple_type(tree: dict[str, object]) -> str:
    inner = ", ".join(f"`{k}` " + (_tuple_type(v) if isinstance(v, dict) else f"Nullable({v})") for k, v in tree.items())
    return f"Tuple({inner})"


def _access(tree: dict[str, object], parts: list[str]) -> str:
    text, here = "e", tree
    for part in parts:
        text = f"tupleElement({text}, {list(here).index(part) + 1})"
        child = here[part]
        here = child if isinstance(child, dict) else {}
    return text


SHARED_PASS = 0.4
"""A cube joins a pass when it holds at least this share of the pass's measures; the rest it then stores as well, unread."""


def _cell_queries(registry: Registry, event: Event, stage: str) -> list[CellQuery]:
    """Group the cubes into few passes: each costs a scan of the events, each foreign measure in a cube some bytes a cell."""
    held = {q: {m.measure.measure for m in registry.measures_in_cube(q, event.event)} for q in registry.cubes}
    passes: list[tuple[list[str], set[str]]] = []
    for cube in sorted((q for q in held if held[q]), key=lambda q: -len(held[q])):
        for cubes, measures in passes:
            if held[cube] <= measures and len(held[cube]) >= SHARED_PASS * len(measures) and _kinds(registry, held[cube]) == _kinds(registry, measures):
                cubes.append(cube)
                break
        else:
            passes.append(([cube], held[cube]))
    return [_cell_query(registry, event, stage, f"cells_{event.event}_{i}", cubes, [m for n, m in registry.measures.items() if n in measures])
            for i, (cubes, measures) in enumerate(passes)]


def _kinds(registry: Registry, measures: set[str]) -> set[Kind]:
    return {measure_sql(registry.measures[m]).kind for m in measures}


def _cell_query(registry: Registry, event: Event, stage: str, table: str, cubes: list[str], measures: list[CompiledMeasure]) -> CellQuery:
    names = [c.name for c in dimension_columns(registry) if any(c.name in registry.cubes[q].dimensions for q in cubes)]
    dims = [quoted(n) for n in names]
    sql = [measure_sql(m) for m in measures]
    kinds = list(dict.fromkeys(s.kind for s in sql))
    sets = ", ".join("(" + ", ".join(["`pane`", *(quoted(d) for d in registry.cubes[q].dimensions)]) + ")" for q in cubes)
    pane = f"toDateTime(intDiv({quoted(event.time)}, {PANE_MS}) * {PANE_MS // 1000}, 'UTC')"
    grouped = ", ".join([f"{_cube_name(registry, names, cubes)} AS `cube`", "`pane`", *dims, *_partials(sql)])
    events = ", ".join([f"{pane} AS `pane`", "*", *_elements(sql)])
    made = ", ".join(["`cube`", "`pane`", *dims, *(f"{_column(kind, sql)} AS {kind}" for kind in kinds)])
    columns = ", ".join(["`cube`", "`pane`", *dims, *kinds])

    def fill(where: str) -> str:
        return (f"INSERT INTO {table} ({columns}) SELECT {made} FROM (SELECT {grouped} FROM (SELECT {events} FROM {stage} WHERE {where}) "
                f"GROUP BY GROUPING SETS ({sets}))")

    def rolled(grain: Grain, start: str) -> str:
        wanted = ", ".join(_literal(q) for q in cubes if grain in registry.cubes[q].grains)
        if not wanted:
            return ""
        outer = ", ".join(["`cube`", f"'{grain}' AS `grain`", "coarse AS `pane`", *dims, *(f"r_{k} AS {k}" for k in kinds)])
        inner = ", ".join(["`cube`", f"{start} AS coarse", *dims, *(f"{rolled_up(k)} AS r_{k}" for k in kinds)])
        return f"SELECT {outer} FROM (SELECT {inner} FROM {table} WHERE `cube` IN ({wanted}) GROUP BY {', '.join(['`cube`', 'coarse', *dims])})"

    base = f"SELECT {', '.join(['`cube`', _BASE_GRAIN, '`pane`', *dims, *kinds])} FROM {table}"
    coarser = (rolled("1h", "toStartOfHour(`pane`)"), rolled("1d", f"toDateTime(toStartOfDay(`pane`, '{registry.settings.zone}'), 'UTC')"))
    return CellQuery(
        table=table,
        create=f"CREATE TABLE {table} (`cube` String, `pane` DateTime('UTC'), {''.join(f'{d} String, ' for d in dims)}"
               f"{', '.join(f'{k} {STATE_TYPES[k]}' for k in kinds)}) ENGINE = Memory",
        fill=fill("reason = 0"),
        fill_judged=fill("reason = 0 AND o NOT IN (SELECT o FROM Python(verdicts))"),
        emit=" UNION ALL ".join(q for q in (base, *coarser) if q),
    )


def _elements(sql: list[MeasureSql]) -> list[str]:
    """What each event adds to the sets and sketches, computed once for all grouping sets."""
    found = []
    sets = [s.partial for s in sql if s.kind == "sets"]
    if sets:
        found.append(f"arrayConcat({', '.join(sets)}) AS set_elements")
    sketches = [s for s in sql if s.kind == "sketches"]
    if sketches:
        keys = ", ".join(f"arrayMap(h -> toUInt32({s.tag}), {s.partial})" for s in sketches)
        found.append(f"mapFromArrays(arrayConcat({keys}), arrayConcat({', '.join(s.partial for s in sketches)})) AS sketch_elements")
    return found


def _partials(sql: list[MeasureSql]) -> list[str]:
    kinds = {s.kind for s in sql}
    return [
        *(f"{s.partial} AS n{i}" for i, s in enumerate(sql) if s.kind in ("sums", "fsums")),
        *(["groupUniqArrayArray(set_elements) AS sets"] if "sets" in kinds else []),
        *(["uniqCombined64MapState(sketch_elements) AS sketches"] if "sketches" in kinds else []),
    ]


def _column(kind: Kind, sql: list[MeasureSql]) -> str:
    """A state column of a cell from its partials; sums of zero are left out."""
    if kind in ("sets", "sketches"):
        return kind
    pairs = ", ".join(f"toUInt32({s.tag}), n{i}" for i, s in enumerate(sql) if s.kind == kind)
    return f"mapFilter((k, v) -> v != 0, map({pairs}))"


def _cube_name(registry: Registry, dims: list[str], cubes: list[str]) -> str:
    """The cube a row of GROUPING SETS belongs to: grouping() sets a bit for each dimension its set lacks, first one highest."""
    if not dims:
        return _literal(cubes[0])
    masks = [sum(1 << (len(dims) - 1 - i) for i, d in enumerate(dims) if d not in registry.cubes[q].dimensions) for q in cubes]
    return f"transform(grouping({', '.join(quoted(d) for d in dims)}), {masks}, [{', '.join(_literal(q) for q in cubes)}], '')"


def _literal(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
