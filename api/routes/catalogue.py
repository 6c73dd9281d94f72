"""What figures there are and what each means."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.ask import Question
from api.catalogue import card, dimensions, listed, overview
from api.openapi import parameters, problem_answers
from api.problems import unknown
from api.services import json
from api.windows import WINDOWS
from metric_defs.registry import Registry

KNOWN = ("q", "unit", "owner")
CACHED = {"Cache-Control": "private, max-age=60"}


def catalogue_router(registry: Registry) -> APIRouter:
    """Routes about the registry."""
    router = APIRouter()

    @router.get(
        "/v1/metrics",
        summary="The catalogue of metrics",
        responses=problem_answers(422),
        openapi_extra=parameters(registry, *KNOWN),
    )
    async def metrics(request: Request) -> Response:
        question = Question(registry, request.query_params.multi_items(), KNOWN, by_dimension=False)
        units = tuple(dict.fromkeys(m.unit for m in registry.metrics.values()))
        owners = tuple(dict.fromkeys(m.owner for m in registry.metrics.values()))
        unit, owner = (
            question.one_of(name, ("", *allowed), "") for name, allowed in (("unit", units), ("owner", owners))
        )
        settings = registry.settings
        return json(
            {
                "registry": settings.registry,
                "fingerprint": registry.fingerprint,
                "zone": settings.zone,
                "currency": settings.currency,
                "dimensions": dimensions(registry),
                "windows": list(WINDOWS),
                "overview": overview(registry),
                "metrics": listed(registry, question.text("q", ""), unit, owner),
            },
            CACHED,
        )

    @router.get("/v1/metrics/{code}", summary="The card of one metric", responses=problem_answers(404))
    async def metric(code: str) -> Response:
        if code not in registry.metrics:
            raise unknown("code", "metric", code, registry.metrics, status=404)
        return json(card(registry, code), CACHED)

    return router
