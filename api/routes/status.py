"""How the engine is: counting by topic, the store, and what a probe or a scraper asks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.clock import rfc3339
from api.openapi import problem_answers
from api.problems import Problem
from api.services import Services, json, services
from metric_defs.registry import Registry


def status_router(registry: Registry) -> APIRouter:
    """Routes about the process and what it sees."""
    router = APIRouter()

    @router.get("/v1/status", summary="Lag, frontier and freshness by topic")
    async def status(request: Request) -> Response:
        found = services(request)
        current, now_ms, problem = found.snapshots.current, found.clock(), found.snapshots.problem
        freshness = current.truth.freshness if current else {}
        counts = current.ledger.counts() if current else {}
        topics = []
        for event in registry.events.values():
            state = freshness.get(event.topic)
            topics.append(
                {
                    "topic": event.topic,
                    "event": event.event,
                    "partitions": state.partitions if state else 0,
                    "lag": state.lag if state else None,
                    "frontier": _instant(state.frontier_ms if state else None),
                    "freshness_ms": state.age_ms(now_ms) if state else None,
                    "watermark": _instant(state.watermark_ms if state else None),
                    "written_at": _instant(state.written_at_ms if state else None),
                    "records": counts.get(event.topic),
                }
            )
        return json(
            {
                "answered_at": rfc3339(now_ms),
                "store": {"reachable": not problem, "problem": problem or None},
                "snapshot": {
                    "id": current.id,
                    "as_of": rfc3339(current.cells.as_of_ms),
                    "age_ms": now_ms - current.cells.as_of_ms,
                }
                if current
                else None,
                "registry": {"name": registry.settings.registry, "fingerprint": registry.fingerprint},
                "topics": topics,
            }
        )

    @router.get("/livez", summary="The process answers")
    async def livez() -> Response:
        return json({"status": "alive"})

    @router.get("/readyz", summary="Figures can be given", responses=problem_answers(503))
    @router.get("/healthz", summary="The same as /readyz", responses=problem_answers(503))
    async def readyz(request: Request) -> Response:
        reasons = not_ready(services(request))
        if reasons:
            raise Problem(503, "not ready: " + "; ".join(reasons), {"reasons": reasons}, {"Retry-After": "1"})
        return json({"status": "ready"})

    @router.get("/version", summary="What runs here")
    async def version(request: Request) -> Response:
        return json(
            {
                "version": services(request).options.version,
                "registry": registry.settings.registry,
                "fingerprint": registry.fingerprint,
            }
        )

    @router.get("/metrics", summary="This process for Prometheus", response_class=Response)
    async def metrics(request: Request) -> Response:
        found = services(request)
        current, now_ms = found.snapshots.current, found.clock()
        age_s = (now_ms - current.cells.as_of_ms) / 1000 if current else float("nan")
        text = found.telemetry.text(
            age_s, not found.snapshots.problem, current.truth.freshness if current else {}, now_ms
        )
        return Response(text, 200, {"Cache-Control": "no-store"}, "text/plain; version=0.0.4; charset=utf-8")

    return router


def not_ready(found: Services) -> list[str]:
    """Why figures cannot be given; []: they can."""
    reasons = [found.snapshots.problem] if found.snapshots.problem else []
    current = found.snapshots.current
    if current is not None and not current.ledger.known:
        reasons.append("no worker has counted anything yet")
    return reasons


def _instant(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
