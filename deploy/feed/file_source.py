"""A file of one's own as events: chunk by chunk through the map; a bad row is set aside and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from deploy.feed import sql
from deploy.feed.batch import Batch
from deploy.feed.convert import field_parts
from deploy.feed.encode import Tree, as_bytes, json_text, tree_of
from deploy.feed.errors import MapError, SourceError
from deploy.feed.mapping import EventMap, FieldSource, read_map
from deploy.feed.readers import Chunk, Source, first_chunk, open_source
from deploy.feed.rejects import Reject, RejectFile
from metric_defs import Event, Fault, Registry
from metric_defs.faults import did_you_mean


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file and a map that fit each other. ``types``: what 'sql' takes text columns for."""

    path: Path
    map: EventMap
    source: Source
    names: tuple[str, ...]
    types: dict[str, str]

    def batches(self, rejects: RejectFile | None, limit: int | None = None, offset_ms: int = 0) -> Iterator[Batch]:
        """Events in the file's order, from its start at each call, at most ``limit`` of them.

        ``rejects`` keeps the bad rows (None: they are passed over). ``offset_ms`` is added to every event time.
        """
        left = limit
        for chunk in self.source.chunks(self.names):
            events, bad = self._events(chunk)
            for reject in bad if rejects is not None else ():
                rejects.keep(reject)  # type: ignore[union-attr]
            if left is not None:
                events = events.head(left)
                left -= events.height
            if events.height:
                yield self._batch(events, offset_ms)
            if left == 0:
                return

    def last_time_ms(self, limit: int | None = None) -> int | None:
        """Latest event time of the good rows (reads the file once); None when there are none."""
        return max((max(b.times_ms) for b in self.batches(None, limit)), default=None)

    def _events(self, chunk: Chunk) -> tuple[pl.DataFrame, list[Reject]]:
        values, problems = self._given(chunk)
        event = self.map.event
        parts = {
            s.field: field_parts(s.field, values.schema[s.field], event.fields[s.field], s, s.field == event.time)
            for s in self.map.sources
        }
        frame = values.select(
            *(value.alias(name) for name, (value, _) in parts.items()),
            pl.coalesce(problem for _, problem in parts.values()).alias("__problem"),
        )
        for index in frame["__problem"].is_not_null().arg_true():
            problems.setdefault(index, frame["__problem"][index])
        bad = [Reject(chunk.lines[i], reason, chunk.text_of(i)) for i, reason in problems.items()]
        good = pl.Series([True], dtype=pl.Boolean).new_from_index(0, frame.height).scatter(sorted(problems), False)
        return frame.drop("__problem").filter(good), sorted([*chunk.rejects, *bad], key=lambda r: r.line)

    def _given(self, chunk: Chunk) -> tuple[pl.DataFrame, dict[int, str]]:
        """A column of unconverted values per field, and the rows whose expressions cannot be evaluated."""
        height = len(chunk.lines)
        columns: list[pl.Series] = []
        problems: dict[int, str] = {}
        expressions = [s for s in self.map.sources if s.kind == "sql"]
        if expressions:
            frame = chunk.frame
            if self.source.text:
                frame, problems = sql.typed(frame, self.types)
                if not self.types:
                    frame = pl.DataFrame(height=height)
            results, failed = sql.evaluate(frame, [str(s.given) for s in expressions])
            problems = {**failed, **problems}
            columns += [results[f"s{i}"].alias(s.field) for i, s in enumerate(expressions)]
        for source in self.map.sources:
            if source.kind == "column":
                columns.append(chunk.frame[source.given].alias(source.field))
            elif source.kind == "value":
                columns.append(pl.Series(source.field, [source.given]).new_from_index(0, height))
        return pl.DataFrame(columns), problems

    def _batch(self, events: pl.DataFrame, offset_ms: int) -> Batch:
        event = self.map.event
        events = events.with_columns(pl.col(event.time) + offset_ms)
        text = events.select(json_text(_tree(event, events.columns), events.schema).alias("v"))["v"]
        pace = events[event.time].cum_max()  # a file need not be sorted; sending never goes back in time
        return Batch(event.topic, as_bytes(events[event.key].cast(pl.String)), as_bytes(text), pace.to_list())


def open_file(path: Path, event_name: str, map_path: Path, registry: Registry) -> FileSource:
    """Open file and map and hold them against each other. Raises SourceError, or MapError with every fault."""
    event = registry.events.get(event_name)
    if event is None:
        raise SourceError(
            f"the registry has no event '{event_name}'",
            did_you_mean(event_name, registry.events) or "see 'metricgrid registry show'",
        )
    draft, faults = read_map(map_path, event)
    source = open_source(path, draft.separator)
    names = tuple(dict.fromkeys(name for s in draft.sources for name in _columns_read(s)))
    unknown = (
        {} if not source.columns else {n: did_you_mean(n, source.columns) for n in names if n not in source.columns}
    )
    faults += [
        draft.fault(s, f"the file has no column '{n}'", unknown[n])
        for s in draft.sources
        for n in _columns_read(s)
        if n in unknown
    ]
    known = [n for n in names if n not in unknown]
    first, _ = first_chunk(source, known)
    if first is None or not (len(first.lines) or first.rejects):
        raise SourceError(f"{path.name} has no rows", "it holds a header and nothing else")
    types = sql.infer_types(first.frame, [n for n in known if _in_sql(draft, n)], draft.columns) if source.text else {}
    faults += _trial_faults(draft, source, types, unknown, first)
    if faults:
        raise MapError(faults)
    return FileSource(path, draft, source, names, types)


def _trial_faults(
    draft: EventMap, source: Source, types: dict[str, str], unknown: dict[str, str], first: Chunk
) -> Iterator[Fault]:
    schema: dict[str, pl.DataType] = dict(source.columns)
    if source.text:
        schema = dict(sql.typed(pl.DataFrame(schema=dict.fromkeys(types, pl.String)), types)[0].schema) if types else {}
    for s in draft.sources:
        reads = _columns_read(s)
        if any(n in unknown for n in reads):
            continue
        spec = draft.event.fields[s.field]
        if s.kind == "sql" and (problem := sql.trial_problem(str(s.given), schema)):
            yield draft.fault(s, f"sql cannot be evaluated: {problem}", ", ".join(f"{n} is {schema[n]}" for n in reads))
        if not source.columns:
            missing = [n for n in reads if first.frame[n].is_null().all()]
            if missing and spec.required and len(first.lines):
                yield draft.fault(
                    s,
                    f"none of the first {len(first.lines)} objects has the key '{missing[0]}'",
                    "keys of nested objects are written a.b",
                )
        kind = schema.get(str(s.given)) if s.kind == "column" else None
        if (
            spec.type == "timestamp"
            and isinstance(kind, pl.Datetime | pl.Date)
            and not s.zone
            and getattr(kind, "time_zone", None) is None
        ):
            yield draft.fault(
                s,
                f"column '{s.given}' holds times without a zone",
                "add zone: Asia/Shanghai, or wherever the clock hung",
            )


def _columns_read(source: FieldSource) -> Sequence[str]:
    if source.kind == "column":
        return (str(source.given),)
    return sql.columns_of(str(source.given)) if source.kind == "sql" else ()


def _in_sql(draft: EventMap, name: str) -> bool:
    return any(s.kind == "sql" and name in sql.columns_of(str(s.given)) for s in draft.sources)


def _tree(event: Event, columns: Sequence[str]) -> Tree:
    return tree_of({name: event.fields[name].path or name for name in columns})
