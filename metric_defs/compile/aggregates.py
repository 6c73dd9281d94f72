"""An aggregate as a small algebra in SQL: how its state is made, stored, rolled up, finished, and recounted.

Laws (tested as properties): rolling up is associative and commutative, an empty state is neutral, and finishing the
roll-up of any cut of the events equals the plain aggregate over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from metric_defs.registry import CompiledMeasure


@dataclass(frozen=True, slots=True)
class AggregateSql:
    """SQL fragments of one measure. ``state`` is over decoded events, ``rollup`` and ``value`` over ``column``."""

    column: str
    column_type: str
    state: str
    rollup: str
    value: str
    recount: str


def aggregate_sql(measure: CompiledMeasure) -> AggregateSql:
    """The fragments for a measure. Counts and sums are stored as plain numbers, distinct counts as mergeable states."""
    aggregate, where, column = measure.aggregate, measure.condition.sql, measure.column
    if aggregate.function == "count":
        made = f"countIf({where})" if where else "count()"
        return _plain(column, "UInt64", made)
    if aggregate.function == "sum":
        kind = aggregate.types[0]
        argument = f"to{kind}({aggregate.arguments[0]})"
        return _plain(column, kind, f"sumIf({argument}, {where})" if where else f"sum({argument})")
    arguments = ", ".join(f"to{t}({a})" for a, t in zip(aggregate.arguments, aggregate.types, strict=True))
    name = aggregate.function
    return AggregateSql(
        column=column,
        column_type=f"AggregateFunction({name}, {', '.join(aggregate.types)})",
        state=f"{name}StateIf({arguments}, {where})" if where else f"{name}State({arguments})",
        rollup=f"{name}MergeState(`{column}`)",
        value=f"{name}Merge(`{column}`)",
        recount=f"{name}If({arguments}, {where})" if where else f"{name}({arguments})",
    )


def _plain(column: str, kind: str, made: str) -> AggregateSql:
    return AggregateSql(column, f"SimpleAggregateFunction(sum, {kind})", made, f"sum(`{column}`)", f"sum(`{column}`)", made)
