"""Rankings: the keys of a dimension with the greatest values of a metric."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.alignment import topics_of
from api.ask import Question
from api.clock import rfc3339
from api.cold import keyed, read_parts
from api.figures import figure, staleness, window_body
from api.freshness import lowest_frontier
from api.openapi import parameters, problem_answers
from api.reading import Cut
from api.services import json, scope_of, services
from api.windows import resolve
from metric_defs.registry import Registry

KNOWN = ("metric", "dimension", "n", "window")
MAX_N = 1_000


def top_router(registry: Registry) -> APIRouter:
    """The route; its documentation shows metrics of this registry."""
    router = APIRouter()

    @router.get(
        "/v1/top",
        summary="The keys with the greatest values, blank ones left out",
        responses=problem_answers(404, 422, 503),
        openapi_extra=parameters(registry, *KNOWN, by_dimension=True),
    )
    async def top(request: Request) -> Response:
        found = services(request)
        truth = found.truth()
        question = Question(registry, request.query_params.multi_items(), KNOWN)
        metric = question.metric()
        dimension = question.dimension(metric)
        filters = question.filters((metric,))
        n = question.integer("n", 1, MAX_N, 10) or 10
        window = resolve(question.window(), truth.now_ms, registry.settings.tz)
        cut = Cut((dimension,), filters, ranked=True, limit=n)
        ((part, rows),) = await read_parts(found, (metric,), window, cut, scope_of(request), truth)
        told = replace(truth, as_of_ms=rows.as_of_ms, problem=rows.problem or truth.problem)
        ranked = [
            figure(registry, metric, measures, window, part.reading, told, {dimension: key[0]})
            for key, measures in (keyed(part, row, 0, (dimension,)) for row in rows.rows)
        ]
        stale = staleness(lowest_frontier(topics_of(registry, metric), told.freshness), told)
        return json(
            {
                "metric": metric,
                "dimension": dimension,
                "window": window_body(window),
                "filters": {d: list(v) for d, v in filters.items()},
                "answered_at": rfc3339(truth.now_ms),
                **stale.body(),
                "figures": [{"rank": i, **f.body()} for i, f in enumerate(ranked, 1)],
            }
        )

    return router
