"""Figures over time: one value a step, cut by dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.alignment import topics_of
from api.ask import Question
from api.business_days import day_floor
from api.clock import rfc3339
from api.cold import PartRows, keyed, read_parts
from api.figures import Number, Truth, Value, evaluate, figure, is_final
from api.freshness import lowest_frontier
from api.openapi import parameters, problem_answers
from api.problems import Problem, invalid
from api.reading import Cut
from api.services import json, scope_of, services
from api.steps import Steps, TooManyPoints, sensible_step, steps
from api.windows import Window
from metric_defs.registry import Registry

KNOWN = ("metrics", "from", "to", "step", "group_by")
MAX_CELLS = 100_000
Points = dict[tuple[str, ...], dict[int, Mapping[str, Number]]]


def series_router(registry: Registry) -> APIRouter:
    """The route; its documentation shows metrics of this registry."""
    router = APIRouter()

    @router.get(
        "/v1/series",
        summary="Figures over time, cut by dimensions",
        responses=problem_answers(404, 422, 503),
        openapi_extra=parameters(registry, *KNOWN, by_dimension=True),
    )
    async def series(request: Request) -> Response:
        found = services(request)
        truth = found.truth()
        question = Question(registry, request.query_params.multi_items(), KNOWN)
        metrics = question.metrics()
        group_by, filters = question.group_by(metrics), question.filters(metrics)
        step, cut_steps = _steps(question, registry, truth.now_ms)
        cut = Cut(
            group_by,
            filters,
            cut_steps.step_ms or 0,
            cut_steps.origin_ms,
            cut_steps.step_ms is None,
            limit=MAX_CELLS + 1,
        )
        window = Window("", cut_steps.start_ms, cut_steps.end_ms)
        told: dict[str, list[dict[str, object]]] = {}
        for part, rows in await read_parts(found, metrics, window, cut, scope_of(request), truth):
            if len(rows.rows) > MAX_CELLS:
                raise Problem(
                    422, f"more than {MAX_CELLS} values; group by fewer dimensions, filter, or take a longer step"
                )
            told |= _lines(registry, (part, rows), cut_steps, group_by, truth)
        return json(
            {
                "from": rfc3339(cut_steps.start_ms),
                "to": rfc3339(cut_steps.end_ms),
                "step": step,
                "series": [line for m in metrics for line in told[m]],
            }
        )

    return router


def _steps(question: Question, registry: Registry, now_ms: int) -> tuple[str, Steps]:
    zone = registry.settings.tz
    to_ms = question.instant("to") or now_ms
    from_ms = question.instant("from") or day_floor(min(now_ms, to_ms), zone)
    if from_ms >= to_ms:
        raise invalid("from", "'from' must lie before 'to'")
    default = sensible_step(from_ms, to_ms)
    try:
        return question.text("step", default), steps(from_ms, to_ms, question.step_ms(default), zone)
    except TooManyPoints as exc:
        raise invalid("step", str(exc)) from exc


def _lines(
    registry: Registry, read: PartRows, cut: Steps, group_by: tuple[str, ...], truth: Truth
) -> dict[str, list[dict[str, object]]]:
    """Metric -> one line per key, in the order of keys; without ``group_by`` there is always one."""
    part, rows = read
    points: Points = {} if group_by else {(): {}}
    for row in rows.rows:
        key, measures = keyed(part, row, 1, group_by)
        points.setdefault(key, {})[int(str(row[0]))] = measures
    told = replace(truth, as_of_ms=rows.as_of_ms, problem=rows.problem or truth.problem)
    window = Window("", cut.start_ms, cut.end_ms)
    lines: dict[str, list[dict[str, object]]] = {}
    for code in part.metrics:
        frontier = lowest_frontier(topics_of(registry, code), told.freshness)
        for key in sorted(points):
            head = figure(
                registry, code, None, window, part.reading, told, dict(zip(group_by, key, strict=True))
            ).body()
            body = {
                k: v
                for k, v in head.items()
                if k not in ("value", "numerator", "denominator", "window", "status", "complete")
            }
            body["points"] = [
                _point(registry, code, points[key], cut, i, part.reading.window.end_ms, frontier)
                for i, start in enumerate(cut.starts)
                if start <= truth.now_ms
            ]
            lines.setdefault(code, []).append(body)
    return {code: lines.get(code, []) for code in part.metrics}


def _point(
    registry: Registry,
    code: str,
    found: Mapping[int, Mapping[str, Number]],
    cut: Steps,
    index: int,
    read_to_ms: int,
    frontier: int | None,
) -> dict[str, object]:
    start = cut.starts[index]
    value = evaluate(registry, code, found.get(start, {})) if start < read_to_ms else Value(None)
    parts = (
        {"numerator": value.numerator, "denominator": value.denominator}
        if registry.metrics[code].type == "ratio"
        else {}
    )
    final = is_final(registry, code, cut.end_of(index), frontier)
    return {"start": rfc3339(start), "value": value.value, **parts, "status": "final" if final else "provisional"}
