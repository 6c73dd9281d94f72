"""CSV, JSON lines and Parquet as chunks of columns, each row with its line and its original text."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.feed.errors import SourceError
from deploy.feed.json_rows import JsonRows
from deploy.feed.lines import Line, read_lines
from deploy.feed.rejects import Reject

CHUNK_ROWS = 20_000
MAX_JOINED_LINES = 200
"""So many lines a quoted CSV value may span; if a quote is open longer, its line is bad and the others read anew."""


@dataclass(slots=True)
class Chunk:
    """Rows of a file as columns; ``lines`` and ``texts`` have one entry a row. Text formats: String columns."""

    frame: pl.DataFrame
    lines: Sequence[int]
    text_of: Callable[[int], str]
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that could be opened. ``columns``: its columns and their types (empty for JSON lines: any key may come).

    ``chunks(names)`` reads the named columns, from the start at each call.
    """

    columns: dict[str, pl.DataType]
    text: bool
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]


def open_source(path: Path, separator: str = "") -> Source:
    """Look at the file's end of name and its start. Raises SourceError when there is nothing to read."""
    kinds = {".csv": _open_csv, ".jsonl": _open_jsonl, ".ndjson": _open_jsonl, ".parquet": _open_parquet}
    opener = kinds.get(path.suffix.lower())
    if opener is None:
        raise SourceError(
            f"{path.name}: files that end in '{path.suffix}' cannot be read", f"give one of {', '.join(kinds)}"
        )
    if not path.exists():
        raise SourceError(f"there is no file {path}", "check the path")
    if not path.is_file():
        raise SourceError(f"{path} is no file", "give one file")
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path.name} is empty", "a CSV file starts with a header")
        return opener(path, separator)
    except OSError as exc:
        raise SourceError(f"{path.name} cannot be read: {exc}", "check the file and its rights") from exc


def _open_csv(path: Path, separator: str) -> Source:
    first = next(read_lines(path), None)
    if first is None:
        raise SourceError(f"{path.name} is empty", "a CSV file starts with a header")
    if first.problem:
        raise SourceError(f"{path.name}, line {first.number}: the header {first.problem}", "save the file as UTF-8")
    mark = separator or max(",;\t|", key=first.text.count)
    header = [name.strip() for name in next(csv.reader([first.text], delimiter=mark))]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "" in header:
        what = f"names {', '.join(twice)} twice" if any(twice) else "has a column without a name"
        raise SourceError(f"{path.name}, line {first.number}: the header {what}", "give each column a name of its own")
    return Source({name: pl.String() for name in header}, True, lambda names: _csv_chunks(path, mark, header, names))


def _csv_chunks(path: Path, mark: str, header: list[str], names: Sequence[str]) -> Iterator[Chunk]:
    wanted = [(name, header.index(name)) for name in names]
    rows: list[list[str]] = []
    lines: list[int] = []
    texts: list[str] = []
    rejects: list[Reject] = []

    def chunk() -> Chunk:
        columns = {name: pl.Series(name, [row[i] or None for row in rows], dtype=pl.String) for name, i in wanted}
        frame = pl.DataFrame(columns) if columns else pl.DataFrame(height=len(rows))
        return Chunk(frame, lines, texts.__getitem__, rejects)

    records = _csv_records(read_lines(path), mark, len(header))
    next(records)
    for line, row in records:
        if isinstance(row, str):
            rejects.append(Reject(line.number, row, line.text))
        else:
            rows.append(row)
            lines.append(line.number)
            texts.append(line.text)
        if len(rows) + len(rejects) >= CHUNK_ROWS:
            yield chunk()
            rows, lines, texts, rejects = [], [], [], []
    if rows or rejects:
        yield chunk()


def _csv_records(lines: Iterator[Line], mark: str, width: int) -> Iterator[tuple[Line, list[str] | str]]:
    """Each record with its values, or with what is wrong with it. A record is a line, or more while a quote is open."""
    ahead: deque[Line] = deque()
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        if line.problem:
            yield line, line.problem
        elif '"' not in line.text:
            row = line.text.split(mark)
            yield line, row if len(row) == width else f"has {len(row)} columns, not {width}"
        else:
            yield _quoted(line, lines, ahead, mark, width)


def _quoted(
    line: Line, lines: Iterator[Line], ahead: deque[Line], mark: str, width: int
) -> tuple[Line, list[str] | str]:
    taken: list[Line] = []

    def texts() -> Iterator[str]:
        """The line, and as many after it as the reader asks for, because a quote is open."""
        yield line.text + "\n"
        before = line.number
        while len(taken) < MAX_JOINED_LINES and (following := ahead.popleft() if ahead else next(lines, None)):
            taken.append(following)
            if following.problem:
                return
            yield "\n" * (following.number - before - 1)  # blank lines were left out
            yield following.text + "\n"
            before = following.number

    try:
        row = next(csv.reader(texts(), delimiter=mark, strict=True))
        problem = "" if len(row) == width else f"has {len(row)} columns, not {width}"
    except csv.Error as exc:
        unclosed = bool(taken) or "end of data" in str(exc)
        row, problem = [], "has a quote that is never closed" if unclosed else f"is no CSV: {exc}"
    if problem:
        ahead.extendleft(reversed(taken))  # the fault may be the first line's alone: the others are read anew
        return line, problem
    return Line(line.number, "\n".join([line.text, *(t.text for t in taken)])), row


def _open_jsonl(path: Path, _: str) -> Source:
    if next(read_lines(path), None) is None:
        raise SourceError(f"{path.name} is empty", "give one JSON object a line")
    return Source({}, True, lambda names: _jsonl_chunks(path, names))


def _jsonl_chunks(path: Path, names: Sequence[str]) -> Iterator[Chunk]:
    rows = JsonRows(names)
    lines: list[Line] = []
    rejects: list[Reject] = []

    def chunk() -> Chunk:
        kept = lines
        return Chunk(rows.frame(), [line.number for line in kept], lambda i: kept[i].text, rejects)

    for line in read_lines(path):
        problem = line.problem or rows.add(line.text)
        if problem:
            rejects.append(Reject(line.number, problem, line.text))
        else:
            lines.append(line)
        if len(lines) + len(rejects) >= CHUNK_ROWS:
            yield chunk()
            rows, lines, rejects = JsonRows(names), [], []
    if lines or rejects:
        yield chunk()


def _open_parquet(path: Path, _: str) -> Source:
    try:
        file = pq.ParquetFile(path)
        empty = pl.from_arrow(file.schema_arrow.empty_table())
    except (pa.ArrowException, pl.exceptions.PolarsError) as exc:
        raise SourceError(f"{path.name} is no Parquet file: {exc}", "check how it was written") from exc
    if file.metadata.num_rows == 0:
        raise SourceError(f"{path.name} has no rows", "give a file with at least one")
    return Source(dict(empty.schema), False, lambda names: _parquet_chunks(path, names))  # type: ignore[union-attr]


def _parquet_chunks(path: Path, names: Sequence[str]) -> Iterator[Chunk]:
    begin = 1
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=CHUNK_ROWS):
            whole = pl.from_arrow(
                pa.table(batch) if isinstance(batch, pa.StructArray) else pa.Table.from_batches([batch])
            )
            assert isinstance(whole, pl.DataFrame)  # noqa: S101 - a table becomes a frame
            yield Chunk(
                whole.select(names) if names else pl.DataFrame(height=whole.height),
                range(begin, begin + whole.height),
                _row_text(whole),
            )
            begin += whole.height
    except (pa.ArrowException, OSError) as exc:
        raise SourceError(
            f"{path.name} is broken after row {begin - 1}: {exc}", "what came before it was sent; write the file anew"
        ) from exc


def _row_text(frame: pl.DataFrame) -> Callable[[int], str]:
    return lambda i: orjson.dumps(frame.row(i, named=True), default=str).decode()


def first_chunk(source: Source, names: Sequence[str]) -> tuple[Chunk | None, Iterator[Chunk]]:
    """The first chunk, and all chunks including it."""
    chunks = source.chunks(names)
    first = next(chunks, None)
    return first, chain([first] if first else [], chunks)
