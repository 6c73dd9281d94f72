"""One consistent cut of all hot figures: immutable, answered from without touching the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from api.alignment import reading_of
from api.figures import Figure, Number, Truth, figure
from api.hot import HotPlan, HotSet
from api.ledger_view import LedgerView
from api.windows import Window
from metric_defs.registry import Registry

MAX_ANSWERS = 4096
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cells:
    """Measures of all hot cubes by (start_ms, end_ms) and (cube, key), as of one moment. Missing: none counted."""

    as_of_ms: int
    named: Mapping[str, Window]
    measures: tuple[str, ...]
    values: Mapping[Span, Mapping[tuple[str, str], tuple[Number, ...]]]

    def keys(self) -> set[str]:
        """Every key that has a cell."""
        return {key for cells in self.values.values() for _, key in cells if key}


def cells_of(hot: HotSet, plan: HotPlan, rows: Sequence[tuple[object, ...]], as_of_ms: int) -> Cells:
    """From the rows of ``plan``: window index, cube, (key,) measures."""
    first = 3 if hot.keyed is not None else 2
    values: dict[Span, dict[tuple[str, str], tuple[Number, ...]]] = {(w.start_ms, w.end_ms): {} for w in plan.read}
    spans = list(values)
    for row in rows:
        key = str(row[2]) if hot.keyed is not None else ""
        values[spans[int(str(row[0]))]][str(row[1]), key] = row[first:]  # type: ignore[assignment]
    return Cells(as_of_ms, plan.named, hot.measures, values)


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that was serialised once, and the tag by which a caller says that it has it already."""

    body: bytes
    etag: str
    figures: tuple[Figure, ...] = ()


class Answers:
    """Answers already serialised, by the question's text; bounded, the oldest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Answer] = OrderedDict()

    def get(self, question: bytes) -> Answer | None:
        """The answer to the same text, if it was asked before."""
        return self._kept.get(question)

    def keep(self, question: bytes, answer: Answer) -> None:
        """Remember an answer."""
        self._kept[question] = answer
        if len(self._kept) > MAX_ANSWERS:
            self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Cells and the state of the ledger they go with. ``stamped_ms``: the moment freshness is told for."""

    id: str
    stamped_ms: int
    cells: Cells
    ledger: LedgerView
    truth: Truth
    hot: HotSet
    answers: Answers = field(default_factory=Answers, compare=False)

    def stamped(self, number: int, now_ms: int, problem: str) -> Snapshot:
        """The same cells, told later; ``problem``: why there are no newer ones ('' if there need be none)."""
        name = f"{self.cells.as_of_ms:x}.{number}"
        return replace(
            self,
            id=name,
            stamped_ms=now_ms,
            answers=Answers(),
            truth=replace(self.truth, now_ms=now_ms, problem=problem, snapshot=name),
        )

    def holds(self, registry: Registry, code: str, dimensions: Sequence[str]) -> bool:
        """Whether it answers a metric cut by these dimensions."""
        if not dimensions:
            return code in self.hot.metrics
        return tuple(dimensions) == (registry.key_dimension,) and code in self.hot.keyed_metrics

    def figure(self, registry: Registry, code: str, window: str, keys: Mapping[str, str], truth: Truth) -> Figure:
        """The figure of a metric it holds; ``keys`` is empty or names the key dimension."""
        named = self.cells.named[window]
        reading = reading_of(registry, code, named, truth.freshness)
        cube = self.hot.keyed if keys else self.hot.total
        cells = self.cells.values.get((reading.window.start_ms, reading.window.end_ms), {})
        found = cells.get((cube.cube if cube else "", next(iter(keys.values()), "")))
        measures = dict(zip(self.cells.measures, found, strict=True)) if found else None
        return figure(registry, code, measures, named, reading, truth, keys)


def first_snapshot(cells: Cells, ledger: LedgerView, hot: HotSet, truth: Truth) -> Snapshot:
    """A snapshot of freshly read cells."""
    name = f"{cells.as_of_ms:x}.0"
    return Snapshot(name, truth.now_ms, cells, ledger, replace(truth, snapshot=name), hot)
