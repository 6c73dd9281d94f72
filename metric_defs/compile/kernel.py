"""The kernel's SQL for one event: decode a flush of raw JSON, judge its shape, and aggregate what counts into cells.

The rules of decoding are those of docs/semantics.md. One JSONExtract reads every declared field of a record at once;
numbers are read as Float64, whose exact range (2^53 - 1) is the range allowed, so that a fraction or an overflow is
seen instead of being cut off silently, as reading them as Int64 would do.
"""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.compile.aggregates import MeasureSql, measure_sql
from metric_defs.compile.cells import CellQuery, cell_queries
from metric_defs.compile.layout import literal, quoted, raw_columns
from metric_defs.expressions import COLUMN_TYPES
from metric_defs.models import Event, EventField
from metric_defs.registry import Registry

REASONS = (
    "",
    "empty",
    "too_large",
    "not_json",
    "missing_field",
    "bad_field",
    "unknown_value",
    "time_out_of_range",
    "future",
)
"""Why a record is dead; the index is the code the decode query returns (0: it is not)."""
MAX_RECORD_BYTES = 1_048_576
MIN_EVENT_TIME_MS = 946_684_800_000
"""2000-01-01T00:00:00Z; earlier event times are dead."""
MAX_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """Statements for one event. They read two tables of the caller's by name: ``batch`` (k_offset Int64, k_raw binary)
    and ``verdicts`` (k_offset Int64, k_judged UInt8: duplicates and too-late records). Query parameters: ``now_ms``, ``partition``."""

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
    fields = ", ".join(
        [
            *(f"{quoted(n)} {COLUMN_TYPES[f.type]}" for n, f in event.fields.items()),
            *(f"{n} {s.hash_type}" for n, s in hashes.items()),
        ]
    )
    raw_fields = ", ".join(quoted(c.name) for c in raw_columns(event)[3:])
    return KernelPlan(
        event=event,
        stage=stage,
        create_stage=f"CREATE TABLE {stage} (k_offset Int64, k_reason UInt8, k_hash FixedString(16), {fields}) ENGINE = Memory",
        decode=_decode(event, stage, hashes),
        # RowBinary rows of 33 bytes: offset, key hash, event time, reason
        judge=f"SELECT k_offset, k_hash, {quoted(event.time)}, k_reason FROM {stage}",
        raw=f"SELECT {{partition:UInt32}} AS k_partition, k_offset, toUInt8(0) AS k_verdict, {raw_fields} FROM {stage} WHERE k_reason = 0",
        raw_judged=(
            f"SELECT {{partition:UInt32}} AS k_partition, s.k_offset AS k_offset, toUInt8(v.k_judged) AS k_verdict, {raw_fields} "
            f"FROM {stage} AS s LEFT ANY JOIN (SELECT k_offset, k_judged FROM Python(verdicts)) AS v ON s.k_offset = v.k_offset WHERE k_reason = 0"
        ),
        cells=cell_queries(registry, event, stage),
    )


def _hashes(registry: Registry, event: Event) -> dict[str, MeasureSql]:
    """Columns of hashed values that the event's distinct counts need, each once."""
    sql = [measure_sql(m) for m in registry.measures.values() if m.measure.event == event.event]
    return {s.hash_name: s for s in sql if s.hashed}


def _decode(event: Event, stage: str, hashes: dict[str, MeasureSql]) -> str:
    tree = _Tree.of(event)
    read = ", ".join(f"{tree.access[n]} AS {_read(n)}" for n in event.fields)
    columns = ", ".join(_typed(_read(n), f) + f" AS {_field(n)}" for n, f in event.fields.items())
    numbers = "".join(f"{_read(n)}, " for n, f in event.fields.items() if f.type != "string")
    key = event.dedupe.key if event.dedupe else (event.key,)
    named = ", ".join(f"{_field(n)} AS {quoted(n)}" for n in event.fields)
    added = "".join(f", {s.hashed} AS {n}" for n, s in hashes.items())
    return (
        f"INSERT INTO {stage} SELECT *{added} FROM (SELECT k_offset, {_reason(event, tree)} AS k_reason, "
        f"sipHash128({', '.join(map(_field, key))}) AS k_hash, {named} FROM (SELECT k_offset, k_raw, {numbers}{columns} FROM "
        f"(SELECT k_offset, k_raw, {read} FROM (SELECT k_offset, k_raw, JSONExtract(k_raw, '{tree.type}') AS k_tree FROM "
        f"(SELECT k_offset, assumeNotNull(k_raw) AS k_raw FROM Python(batch))))))"
    )


def _field(name: str) -> str:
    """A field while its record is decoded; no field's own name starts with ``k_``."""
    return f"k_f_{name}"


def _read(name: str) -> str:
    """A field as the JSON reader gave it, null when absent or of another type."""
    return f"k_t_{name}"


def _typed(access: str, field: EventField) -> str:
    if field.type == "string":
        return f"ifNull({access}, {literal(field.default or '')})"
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
    suspicious = " OR ".join(
        f"{_field(n)} = ''" if event.fields[n].type == "string" else f"isNull({_read(n)})" for n in required
    )
    missing = " OR ".join(
        f"{_field(n)} = ''" if event.fields[n].type == "string" else f"JSONType(k_raw, {tree.path[n]}) = 'Null'"
        for n in required
    )
    bad = " OR ".join(_bad(tree, n, f) for n, f in event.fields.items() if f.type != "string") or "0"
    unknown = (
        " OR ".join(
            f"({_field(n)} NOT IN ({', '.join(literal(v) for v in f.values)})"
            + ("" if f.required else f" AND {_field(n)} != {literal(f.default or '')}")
            + ")"
            for n, f in event.fields.items()
            if f.values
        )
        or "0"
    )
    code = {name: index for index, name in enumerate(REASONS)}
    return (
        f"multiIf(length(k_raw) = 0, {code['empty']}, "
        f"NOT startsWith(k_raw, '{{') AND NOT match(k_raw, '^[ \\\\t\\\\r\\\\n]*\\\\{{'), {code['not_json']}, "
        f"(({suspicious}) AS k_suspicious) AND NOT isValidJSON(k_raw), {code['not_json']}, "
        f"k_suspicious AND ({missing}), {code['missing_field']}, "
        f"{bad}, {code['bad_field']}, {unknown}, {code['unknown_value']}, "
        f"{_field(event.time)} < {MIN_EVENT_TIME_MS}, {code['time_out_of_range']}, "
        f"{_field(event.time)} > {{now_ms:Int64}} + {event.future_cap}, {code['future']}, 0)"
    )


def _bad(tree: _Tree, name: str, field: EventField) -> str:
    access = _read(name)
    unread = f"(isNull({access}) AND JSONType(k_raw, {tree.path[name]}) != 'Null')"
    wrong = {
        "number": f"NOT isFinite(assumeNotNull({access}))",
        "boolean": f"(assumeNotNull({access}) != 0 AND assumeNotNull({access}) != 1)",
    }.get(
        field.type,
        f"NOT (abs(assumeNotNull({access})) <= {MAX_INTEGER} AND assumeNotNull({access}) = trunc(assumeNotNull({access})))",
    )
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
            path[name] = ", ".join(literal(p) for p in parts)
        return cls(_tuple_type(nested).replace("'", "\\'"), access, path)


def _tuple_type(tree: dict[str, object]) -> str:
    inner = ", ".join(
        f"`{k}` " + (_tuple_type(v) if isinstance(v, dict) else f"Nullable({v})") for k, v in tree.items()
    )
    return f"Tuple({inner})"


def _access(tree: dict[str, object], parts: list[str]) -> str:
    text, here = "k_tree", tree
    for part in parts:
        text = f"tupleElement({text}, {list(here).index(part) + 1})"
        child = here[part]
        here = child if isinstance(child, dict) else {}
    return text
