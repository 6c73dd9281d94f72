"""Figures as they are now: from the snapshot where it holds them, else from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.ask import MAX_MS, Question, key_sets
from api.clock import rfc3339
from api.cold import figures, read_parts
from api.figures import FRESH, Figure, Truth, window_body
from api.openapi import parameters, problem_answers
from api.problems import Problem, unavailable
from api.reading import Cut
from api.scope import Scope
from api.services import NO_CACHE, Services, scope_of, services
from api.snapshot import Answer, Snapshot
from api.windows import resolve, resolve_at
from metric_defs.registry import Registry

KNOWN = ("metrics", "window", "max_staleness_ms", "strict", "as_of")


@dataclass(frozen=True, slots=True)
class LiveQuestion:
    """What was asked; ``keys``: one figure per metric for each. ``as_of_ms``: None for now."""

    metrics: tuple[str, ...]
    window: str
    filters: dict[str, tuple[str, ...]]
    keys: list[dict[str, str]]
    max_staleness_ms: int | None
    strict: bool
    as_of_ms: int | None


def read_question(registry: Registry, pairs: Sequence[tuple[str, str]], now_ms: int) -> LiveQuestion:
    """Raises Problem (422)."""
    question = Question(registry, pairs, KNOWN)
    metrics = question.metrics()
    filters = question.filters(metrics)
    as_of_ms = question.instant("as_of")
    if as_of_ms is not None and as_of_ms > now_ms:
        raise Problem(422, "'as_of' lies in the future", {"parameter": "as_of"})
    return LiveQuestion(
        metrics,
        question.window(),
        filters,
        key_sets(filters),
        question.integer("max_staleness_ms", 0, MAX_MS, None),
        question.flag("strict"),
        as_of_ms,
    )


def live_router(registry: Registry) -> APIRouter:
    """The route; its documentation shows metrics of this registry."""
    router = APIRouter()

    @router.get(
        "/v1/live",
        summary="Figures as they are now, one per metric and key",
        responses=problem_answers(404, 422, 503),
        openapi_extra=parameters(
            registry, "metrics", "window", "max_staleness_ms", "strict", "as_of", by_dimension=True
        ),
    )
    async def live(request: Request) -> Response:
        found = services(request)
        scope = scope_of(request)
        snapshot = found.snapshot()
        text: bytes = request.scope["query_string"]
        answer = snapshot.answers.get(text) if scope.unrestricted else None
        if answer is None:
            answer = await _answer(found, snapshot, request.query_params.multi_items(), scope, text)
        if request.headers.get("if-none-match") == answer.etag:
            return Response(status_code=304, headers={**NO_CACHE, "ETag": answer.etag})
        return Response(answer.body, 200, {**NO_CACHE, "ETag": answer.etag}, "application/json")

    return router


async def _answer(
    found: Services, snapshot: Snapshot, pairs: Sequence[tuple[str, str]], scope: Scope, text: bytes
) -> Answer:
    registry = found.registry
    now_ms = found.clock()
    asked = read_question(registry, pairs, now_ms)
    truth = snapshot.truth
    if asked.max_staleness_ms is not None:
        truth = replace(truth, stale_after_ms=asked.max_staleness_ms)
    dimensions = tuple(asked.filters)
    ready = asked.as_of_ms is None and asked.window in snapshot.cells.named and scope.unrestricted
    hot = [m for m in asked.metrics if ready and snapshot.holds(registry, m, dimensions)]
    told: dict[tuple[str, int], Figure] = {
        (m, i): snapshot.figure(registry, m, asked.window, key, truth) for m in hot for i, key in enumerate(asked.keys)
    }
    cold = [m for m in asked.metrics if m not in hot]
    if cold:
        told |= await _read(found, asked, cold, scope, replace(truth, now_ms=now_ms, snapshot=None))
    ordered = [told[m, i] for m in asked.metrics for i in range(len(asked.keys))]
    stale = next((f.stale for f in ordered if f.stale.reason), FRESH)
    if asked.strict and stale.reason:
        raise unavailable(f"fresh enough figures cannot be given: {stale.detail}")
    body = {
        "snapshot": snapshot.id,
        "answered_at": rfc3339(truth.now_ms),
        "window": window_body(ordered[0].window),
        **stale.body(),
        "figures": [f.body() for f in ordered],
    }
    answer = Answer(orjson.dumps(body), f'"{snapshot.id}"' if not cold else f'"{snapshot.id}-{now_ms:x}"')
    if not cold and scope.unrestricted:
        snapshot.answers.keep(text, answer)
    return answer


async def _read(
    found: Services, asked: LiveQuestion, metrics: Sequence[str], scope: Scope, truth: Truth
) -> dict[tuple[str, int], Figure]:
    zone = found.registry.settings.tz
    window = (
        resolve(asked.window, truth.now_ms, zone)
        if asked.as_of_ms is None
        else resolve_at(asked.window, asked.as_of_ms, zone)
    )
    told: dict[tuple[str, int], Figure] = {}
    for part, rows in await read_parts(found, metrics, window, Cut(tuple(asked.filters), asked.filters), scope, truth):
        told |= figures(found.registry, part, rows, window, asked.keys, truth)
    return told
