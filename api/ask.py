"""Reading a question's parameters: what is missing, unknown or out of bounds is said with what is allowed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import product

from api.problems import Problem, invalid, unknown
from api.windows import WINDOWS
from metric_defs.models import DURATION, PANE_MS
from metric_defs.registry import Registry

MAX_METRICS = 100
MAX_KEYS = 1_000
MAX_VALUE_LENGTH = 512
MAX_MS = 10**12
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_STEP_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}
DAY_STEP = "1d"
Pairs = Sequence[tuple[str, str]]


class Question:
    """The parameters of one request. Every read method raises Problem (422)."""

    def __init__(self, registry: Registry, pairs: Pairs, known: Sequence[str], by_dimension: bool = True) -> None:
        """``known``: parameters of the route; ``by_dimension``: dimensions may be given as filters beside them."""
        self._registry, self._pairs = registry, pairs
        self._dimensions = tuple(d for d in registry.dimensions if d not in known) if by_dimension else ()
        allowed = [*known, *self._dimensions]
        for name, value in pairs:
            if name not in allowed:
                raise unknown(name[:80], "parameter", name, allowed)
            if len(value) > MAX_VALUE_LENGTH and name not in ("metrics", "group_by"):
                raise invalid(name, f"'{name}' is longer than {MAX_VALUE_LENGTH} characters")
            if "\x00" in value:
                raise invalid(name, f"'{name}' holds a NUL character")
        for name in known:
            if sum(n == name for n, _ in pairs) > 1:
                raise invalid(name, f"'{name}' is given twice")

    def text(self, name: str, default: str | None = None) -> str:
        """A parameter as given."""
        found = next((v.strip() for n, v in self._pairs if n == name), "")
        if not found and default is None:
            raise Problem(422, f"'{name}' is missing", {"parameter": name})
        return found or (default or "")

    def one_of(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """A parameter that takes certain words."""
        value = self.text(name, default)
        if value not in allowed:
            raise unknown(name, name, value, allowed)
        return value

    def window(self) -> str:
        """``window``; default: today."""
        return self.one_of("window", WINDOWS, "today")

    def metrics(self) -> tuple[str, ...]:
        """``metrics``: codes joined by commas."""
        codes = self._words("metrics")
        if len(codes) > MAX_METRICS:
            raise invalid("metrics", f"{len(codes)} metrics are more than {MAX_METRICS} in one request")
        for code in codes:
            self._metric("metrics", code)
        return codes

    def metric(self) -> str:
        """``metric``: one code."""
        return self._metric("metric", self.text("metric"))

    def _metric(self, name: str, code: str) -> str:
        if code not in self._registry.metrics:
            raise unknown(name, "metric", code, self._registry.metrics)
        return code

    def dimension(self, metric: str) -> str:
        """``dimension``: one by which the metric may be cut."""
        value = self.text("dimension")
        self.check_cut((metric,), (value,), "dimension")
        return value

    def group_by(self, metrics: Sequence[str]) -> tuple[str, ...]:
        """``group_by``: dimensions joined by commas, or nothing."""
        names = self._words("group_by", "")
        self.check_cut(metrics, names, "group_by")
        return names

    def filters(self, metrics: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Dimension -> values given for it (repeated parameters), in order and each once."""
        found: dict[str, dict[str, None]] = {}
        for name, value in self._pairs:
            if name in self._dimensions:
                found.setdefault(name, {})[value] = None
        filters = {name: tuple(values) for name, values in found.items()}
        for name in filters:
            self.check_cut(metrics, (name,), name)
        return filters

    def check_cut(self, metrics: Sequence[str], dimensions: Sequence[str], parameter: str) -> None:
        """Every metric may be cut by every dimension."""
        for dimension in dimensions:
            if dimension not in self._registry.dimensions:
                raise unknown(parameter, "dimension", dimension, self._registry.dimensions)
            for code in metrics:
                allowed = self._registry.metrics[code].dimensions
                if dimension not in allowed:
                    raise invalid(
                        parameter,
                        f"metric '{code}' is not cut by '{dimension}'; it is cut by {', '.join(allowed) or 'nothing'}",
                        allowed,
                    )

    def integer(self, name: str, low: int, high: int, default: int | None) -> int | None:
        """A whole number within bounds."""
        text = self.text(name, "")
        if not text:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise invalid(name, f"'{name}' is a whole number from {low} to {high}", [str(low), str(high)])
        return int(text)

    def flag(self, name: str) -> bool:
        """true or false; default: false."""
        return self.one_of(name, ("true", "false", "1", "0"), "false") in ("true", "1")

    def instant(self, name: str) -> int | None:
        """An RFC 3339 instant as epoch ms, from 2000 to 2100; None when it is not given."""
        text = self.text(name, "")
        if not text:
            return None
        text = re.sub(r" (?=\d\d:\d\d$)", "+", text)  # a plus sign that was not escaped arrives as a blank
        try:
            if not _INSTANT.fullmatch(text):
                raise ValueError
            found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
        except ValueError:
            raise invalid(
                name, f"'{name}' is no instant; write it as 2026-01-31T08:00:00Z or with an offset such as +08:00"
            ) from None
        if not 2000 <= found.year < 2100:
            raise invalid(name, f"'{name}' lies outside the years 2000 to 2099")
        return int(found.astimezone(UTC).timestamp() * 1000)

    def step_ms(self, default: str) -> int | None:
        """``step``: a multiple of the pane in ms, or None for business days."""
        text = self.text("step", default)
        if text == DAY_STEP:
            return None
        match = DURATION.fullmatch(text)
        step_ms = int(match[1]) * _STEP_MS.get(match[2], 0) if match else 0
        if not 0 < step_ms <= 366 * 86_400_000 or step_ms % PANE_MS:
            raise invalid(
                "step",
                f"'step' is a multiple of {PANE_MS // 1000}s written as 10s, 5m or 1h, or 1d for business days",
                ["10s", "1m", "5m", "1h", "1d"],
            )
        return step_ms

    def _words(self, name: str, default: str | None = None) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(w.strip() for w in self.text(name, default).split(",") if w.strip()))
        if not words and default is None:
            raise Problem(422, f"'{name}' is empty", {"parameter": name})
        return words


def key_sets(filters: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of one value per dimension; without filters the one empty combination. Raises Problem (422)."""
    count = 1
    for values in filters.values():
        count *= len(values)
    if count > MAX_KEYS:
        raise Problem(422, f"{count} keys are more than {MAX_KEYS} in one request")
    return [dict(zip(filters, values, strict=True)) for values in product(*filters.values())]
