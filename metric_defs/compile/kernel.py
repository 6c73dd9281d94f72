"""The kernel's SQL for one event: decode a flush of raw JSON, judge its shape, and aggregate what counts into cells.

The rules of decoding are those of docs/semantics.md. One JSONExtract reads every declared field of a record at once;
numbers are read as Float64, whose exact range (2^53 - 1) is the range allowed, so that a fraction or an overflow is
seen instead of being cut off silently, as reading them as Int64 would do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from metric_defs.compile.aggregates import aggregate_sql
from metric_defs.compile.layout import dimension_columns, quoted, raw_columns
from metric_defs.expressions import COLUMN_TYPES
from metric_defs.models import PANE_MS, Event, EventField
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
    fields = ", ".join(f"{quoted(n)} {COLUMN_TYPES[f.type]}" for n, f in event.fields.items())
    raw_fields = ", ".join(quoted(c.name) for c in raw_columns(event)[3:])
    return KernelPlan(
        event=event,
        stage=stage,
        create_stage=f"CREATE TABLE {stage} (o Int64, reason UInt8, h FixedString(16), {fields}) ENGINE = Memory",
        decode=_decode(event, stage),
        # RowBinary rows of 25 bytes: key hash, event time, reason
        judge=f"SELECT h, {quoted(event.time)}, reason FROM {stage}",
        raw=f"SELECT {{partition:UInt32}} AS k_partition, o AS k_offset, toUInt8(0) AS k_verdict, {raw_fields} FROM {stage} WHERE reason = 0",
        raw_judged=(f"SELECT {{partition:UInt32}} AS k_partition, s.o AS k_offset, toUInt8(v.verdict) AS k_verdict, {raw_fields} "
                    f"FROM {stage} AS s LEFT ANY JOIN (SELECT o, verdict FROM Python(verdicts)) AS v ON s.o = v.o WHERE reason = 0"),
        cells=tuple(_cell_queries(registry, event, stage)),
    )


def _decode(event: Event, stage: str) -> str:
    tree = _Tree.of(event)
    columns = ", ".join(_typed(tree.access[n], f) + f" AS f_{n}" for n, f in event.fields.items())
    key = event.dedupe.key if event.dedupe else (event.key,)
    return (
        f"INSERT INTO {stage} SELECT o, {_reason(event, tree)} AS reason, sipHash128({', '.join(f'f_{k}' for k in key)}), "
        f"{', '.join(f'f_{n}' for n in event.fields)} FROM (SELECT o, raw, e, {columns} FROM "
        f"(SELECT o, raw, JSONExtract(raw, '{tree.type}') AS e FROM (SELECT o, assumeNotNull(raw) AS raw FROM Python(batch))))"
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


def _cell_queries(registry: Registry, event: Event, stage: str) -> list[CellQuery]:
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for cube in registry.cubes:
        measures = registry.measures_in_cube(cube, event.event)
        if measures:
            groups[tuple(m.measure.measure for m in measures)].append(cube)
    return [_cell_query(registry, event, stage, f"cells_{event.event}_{i}", cubes, [registry.measures[m] for m in names])
            for i, (names, cubes) in enumerate(groups.items())]


def _cell_query(registry: Registry, event: Event, stage: str, table: str, cubes: list[str], measures: list[CompiledMeasure]) -> CellQuery:
    names = [c.name for c in dimension_columns(registry) if any(c.name in registry.cubes[q].dimensions for q in cubes)]
    dims = [quoted(n) for n in names]
    sql = [aggregate_sql(m) for m in measures]
    states = [quoted(s.column) for s in sql]
    columns = ["`cube` String", "`pane` DateTime('UTC')", *(f"{d} String" for d in dims),
               *(f"{c} {s.column_type}" for c, s in zip(states, sql, strict=True))]
    sets = ", ".join("(" + ", ".join(["`pane`", *(quoted(d) for d in registry.cubes[q].dimensions)]) + ")" for q in cubes)
    pane = f"toDateTime(intDiv({quoted(event.time)}, {PANE_MS}) * {PANE_MS // 1000}, 'UTC')"
    made = ", ".join([f"{_cube_name(registry, names, cubes)} AS `cube`", f"{pane} AS `pane`", *dims,
                      *(f"{s.state} AS {c}" for c, s in zip(states, sql, strict=True))])
    fill = f"INSERT INTO {table} ({', '.join(['`cube`', '`pane`', *dims, *states])}) SELECT {made} FROM {stage} WHERE reason = 0"
    grouped = f" GROUP BY GROUPING SETS ({sets})"

    def rolled(grain: str, start: str) -> str:
        rollups = [f"{s.rollup} AS r{i}" for i, s in enumerate(sql)]
        outer = ", ".join(["`cube`", f"'{grain}' AS `grain`", "coarse AS `pane`", *dims, *(f"r{i} AS {c}" for i, c in enumerate(states))])
        inner = ", ".join(["`cube`", f"{start} AS coarse", *dims, *rollups])
        return f"SELECT {outer} FROM (SELECT {inner} FROM {table} GROUP BY {', '.join(['`cube`', 'coarse', *dims])})"

    return CellQuery(
        table=table,
        create=f"CREATE TABLE {table} ({', '.join(columns)}) ENGINE = Memory",
        fill=fill + grouped,
        fill_judged=f"{fill} AND o NOT IN (SELECT o FROM Python(verdicts)){grouped}",
        emit=" UNION ALL ".join([
            f"SELECT {', '.join(['`cube`', _BASE_GRAIN, '`pane`', *dims, *states])} FROM {table}",
            rolled("1h", "toStartOfHour(`pane`)"),
            rolled("1d", f"toDateTime(toStartOfDay(`pane`, '{registry.settings.zone}'), 'UTC')"),
        ]),
    )


def _cube_name(registry: Registry, dims: list[str], cubes: list[str]) -> str:
    """The cube a row of GROUPING SETS belongs to: grouping() sets a bit for each dimension its set lacks, first one highest."""
    if not dims:
        return _literal(cubes[0])
    masks = [sum(1 << (len(dims) - 1 - i) for i, d in enumerate(dims) if d not in registry.cubes[q].dimensions) for q in cubes]
    return f"transform(grouping({', '.join(quoted(d) for d in dims)}), {masks}, [{', '.join(_literal(q) for q in cubes)}], '')"


def _literal(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
