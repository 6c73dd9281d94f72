"""What went wrong, as RFC 9457 problem details: said by whoever finds it, made an answer at the rim. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metric_defs.faults import did_you_mean

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    422: "The question cannot be answered as asked",
    500: "Internal error",
    503: "Not available now",
}


class Problem(Exception):
    """An answer that is no figure. ``more``: members that a program may read, such as ``parameter`` and ``allowed``."""

    def __init__(
        self,
        status: int,
        detail: str,
        more: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def body(self, instance: str) -> dict[str, object]:
        """As JSON; ``instance`` is the path that was asked."""
        return {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            **self.more,
        }


def invalid(parameter: str, detail: str, allowed: Iterable[str] | None = None) -> Problem:
    """422: a parameter's value is not one that can be answered."""
    return Problem(422, detail, {"parameter": parameter, **({"allowed": list(allowed)} if allowed is not None else {})})


def unknown(parameter: str, what: str, word: str, allowed: Iterable[str], status: int = 422) -> Problem:
    """``word`` is none of ``allowed``: says which are, and which one may have been meant."""
    names = list(allowed)
    hint = did_you_mean(word, names)
    shown = word if len(word) <= 80 else f"{word[:77]}…"
    more: dict[str, object] = {"parameter": parameter, "allowed": names}
    if hint.startswith("did you mean"):
        more["did_you_mean"] = hint.split("'")[1]
    return Problem(status, f"there is no {what} '{shown}'" + (f"; {hint}" if hint else ""), more)


def unavailable(detail: str, retry_after_s: int = 1) -> Problem:
    """503: try again after ``retry_after_s``."""
    return Problem(503, detail, headers={"Retry-After": str(retry_after_s)})
