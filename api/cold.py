"""Figures that are read when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from api.figures import Figure, Number, Truth, figure
from api.problems import Problem
from api.query import Rows
from api.reading import Cut, Part, plan_parts
from api.scope import OutOfScope, Scope
from api.services import Services
from api.windows import Window
from metric_defs.compile.read import NotAnswerable
from metric_defs.registry import Registry

PartRows = tuple[Part, Rows]


async def read_parts(
    services: Services, metrics: Sequence[str], window: Window, cut: Cut, scope: Scope, truth: Truth
) -> list[PartRows]:
    """Plan and run. Raises Problem: 422 no cube can answer, 404 out of scope, 503 the store cannot in time."""
    try:
        parts = plan_parts(services.registry, metrics, window, cut, scope, truth.freshness)
    except NotAnswerable as exc:
        raise Problem(422, str(exc)) from exc
    except OutOfScope as exc:
        raise Problem(404, str(exc)) from exc
    nothing = Rows((), truth.now_ms)

    async def rows(part: Part) -> Rows:
        return nothing if part.plan is None else await services.cold.rows(part.plan)

    return list(zip(parts, await asyncio.gather(*(rows(p) for p in parts)), strict=True))


def keyed(
    part: Part, row: Sequence[object], skip: int, group_by: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, Number]]:
    """A row's key and its measures; ``skip`` columns stand before them."""
    end = skip + len(group_by)
    return tuple(str(v) for v in row[skip:end]), dict(zip(part.measures, row[end:], strict=True))  # type: ignore[arg-type]


def figures(
    registry: Registry, part: Part, rows: Rows, window: Window, keys: Sequence[dict[str, str]], truth: Truth
) -> dict[tuple[str, int], Figure]:
    """(metric, index in ``keys``) -> figure; all keys name the dimensions by which the part was cut, in order."""
    found = dict(keyed(part, row, 0, list(keys[0])) for row in rows.rows)
    told = replace(truth, as_of_ms=rows.as_of_ms, problem=rows.problem or truth.problem)
    return {
        (code, i): figure(registry, code, found.get(tuple(key.values())), window, part.reading, told, key)
        for code in part.metrics
        for i, key in enumerate(keys)
    }
