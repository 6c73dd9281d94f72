"""An aggregate as a small algebra in SQL: how its state is made, stored, rolled up, finished, and recounted.

All measures share four columns, keyed by the measure's tag, so that a row costs what its own measures need and not what
the whole registry has (docs/decisions/0003 has the measurement):

* ``sums`` and ``fsums``: tag -> sum, whole numbers and floats apart, because only the former add up exactly in any order;
* ``sets``: the distinct values of exact counts, each a 128-bit number: the tag, then 96 bits of the value's SipHash-128
  (at a million values the chance that two share it is below 1e-17);
* ``sketches``: tag -> uniqCombined64 state of approximate distinct counts.

Laws (tested as properties): rolling up is associative and commutative, an empty state is neutral, and finishing the
roll-up of any cut of the events equals the plain aggregate over all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from metric_defs.registry import CompiledMeasure

Kind = Literal["sums", "fsums", "sets", "sketches"]
KINDS: tuple[Kind, ...] = ("sums", "fsums", "sets", "sketches")
STATE_TYPES: dict[Kind, str] = {
    "sums": "SimpleAggregateFunction(sumMap, Map(UInt32, Int64))",
    "fsums": "SimpleAggregateFunction(sumMap, Map(UInt32, Float64))",
    "sets": "SimpleAggregateFunction(groupUniqArrayArray, Array(UInt128))",
    "sketches": "AggregateFunction(uniqCombined64Map, Map(UInt32, UInt64))",
}
"""The stored column of each kind of state."""


SET_TAGS = "arrayMap(x -> toUInt32(bitShiftRight(x, 96)), sets)"
"""The tags of a merged set; the same text for all measures, so that the engine takes them out once."""


@dataclass(frozen=True, slots=True)
class MeasureSql:
    """SQL of one measure. ``partial``: its number over a group of decoded events (sums), or what one decoded event adds
    (sets and sketches: an array of none or one). ``hashed``: for the latter, the hash of the value counted, computed once
    an event under the name ``hash_name``. ``value``: its figure from merged state columns. ``recount``: the plain
    aggregate over raw events, which shares nothing with the states."""

    tag: int
    kind: Kind
    partial: str
    value: str
    recount: str
    hashed: str = ""

    @property
    def hash_name(self) -> str:
        """The same for measures that count the same values."""
        return "h_" + hashlib.sha256(self.hashed.encode()).hexdigest()[:12]

    @property
    def hash_type(self) -> str:
        """Type of the hash column."""
        return "UInt128" if self.kind == "sets" else "UInt64"


def measure_sql(measure: CompiledMeasure) -> MeasureSql:
    """The fragments for a measure."""
    aggregate, where, tag = measure.aggregate, measure.condition.sql, measure.tag
    if aggregate.function == "count":
        made = f"toInt64(countIf({where}))" if where else "toInt64(count())"
        return MeasureSql(tag, "sums", made, f"sums[{tag}]", made)
    if aggregate.function == "sum":
        argument = f"to{aggregate.types[0]}({aggregate.arguments[0]})"
        made = f"sumIf({argument}, {where})" if where else f"sum({argument})"
        kind: Kind = "fsums" if aggregate.types[0] == "Float64" else "sums"
        return MeasureSql(tag, kind, made, f"{kind}[{tag}]", made)
    arguments = ", ".join(f"to{t}({a})" for a, t in zip(aggregate.arguments, aggregate.types, strict=True))
    recount = f"{aggregate.function}If({arguments}, {where})" if where else f"{aggregate.function}({arguments})"
    if aggregate.function == "uniqCombined64":
        hashed, kind = f"sipHash64({arguments})", "sketches"
        sketch = MeasureSql(tag, kind, "", f"sketches[{tag}]", recount, hashed)
        return replace(sketch, partial=_maybe(sketch.hash_name, where))
    hashed = f"bitShiftRight(reinterpretAsUInt128(sipHash128({arguments})), 32)"
    exact = MeasureSql(tag, "sets", "", f"countEqual({SET_TAGS}, {tag})", recount, hashed)
    return replace(exact, partial=_maybe(f"bitOr(toUInt128('{tag << 96}'), {exact.hash_name})", where))


def merged(kind: Kind, tags: Sequence[int]) -> str:
    """The state column merged over stored rows, of no more than these tags."""
    if kind == "sets":
        return f"groupUniqArrayArray(arrayFilter(x -> toUInt32(bitShiftRight(x, 96)) IN ({', '.join(map(str, tags))}), sets)) AS sets"
    if kind == "sketches":
        return "uniqCombined64MapMerge(sketches) AS sketches"
    return f"sumMap({kind}) AS {kind}"


def rolled_up(kind: Kind) -> str:
    """The state column merged into a coarser state."""
    if kind == "sets":
        return "groupUniqArrayArray(sets)"
    return "uniqCombined64MapMergeState(sketches)" if kind == "sketches" else f"sumMap({kind})"


def _maybe(element: str, where: str) -> str:
    return f"if({where}, [{element}], [])" if where else f"[{element}]"
