"""The registry's typed, frozen definitions, in the vocabulary of MetricFlow (events are its semantic models)."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
PATH = re.compile(r"[^.'\"`\\\x00-\x1f]+(\.[^.'\"`\\\x00-\x1f]+)*")
MAX_INTEGER = 2**53 - 1
"""Greatest magnitude of an event's whole number (RFC 7493)."""
MAX_DURATION_MS = 3650 * 86_400_000
_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
PANE_MS = 10_000
"""Length of the base pane, the smallest window stored."""

Grain = Literal["10s", "1h", "1d"]
GRAINS: tuple[Grain, ...] = ("10s", "1h", "1d")
"""Pane lengths that can be stored: the base, the UTC hour, the business day."""
FieldType = Literal["string", "integer", "timestamp", "number", "boolean"]
Additivity = Literal["additive", "semi_additive", "non_additive"]


def _duration_ms(value: Any) -> int:
    match = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{value!r} is no duration; write a whole number and a unit, such as 500ms, 10s, 5m, 24h or 7d"
        )
    duration_ms = int(match[1]) * _MS[match[2]]
    if duration_ms > MAX_DURATION_MS:
        raise ValueError(f"{value!r} is longer than ten years")
    return duration_ms


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name; use a-z, 0-9 and _, starting with a letter, at most 63 characters")
    return value


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise ValueError(f"{value!r} is no single value")
    return value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Duration = Annotated[int, BeforeValidator(_duration_ms)]
Name = Annotated[str, BeforeValidator(_name)]
Scalar = Annotated[str | int | float | bool | None, BeforeValidator(_scalar)]
Words = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


class Definition(BaseModel):
    """Base of all definitions: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Text(Definition):
    """The same text in Chinese and English."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class EventField(Definition):
    """One declared field of an event: where it stands in the JSON, its type, and what its absence means."""

    type: FieldType
    path: str = ""
    required: bool = False
    default: Scalar = None
    values: Words = ()
    description: Text | None = None

    @field_validator("path")
    @classmethod
    def _path(cls, value: str) -> str:
        if value and not PATH.fullmatch(value):
            raise ValueError(
                f"{value!r} is no path; write keys joined by dots, without quotes or backslashes, such as order.id"
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> EventField:
        if self.values and self.type != "string":
            raise ValueError("'values' can be given for string fields only")
        if self.required and self.default is not None:
            raise ValueError("a required field has no default; drop one of the two")
        if self.default is not None and not self._fits(self.default):
            raise ValueError(f"default {self.default!r} is not of type {self.type}")
        if self.values and self.default is not None and self.default not in self.values:
            raise ValueError(f"default {self.default!r} is none of the 'values'")
        return self

    def _fits(self, value: str | int | float | bool) -> bool:
        match self.type:
            case "string":
                return isinstance(value, str)
            case "boolean":
                return isinstance(value, bool)
            case "number":
                return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            case "integer" | "timestamp":
                return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER


class Dedupe(Definition):
    """Which fields make two records the same event, and how long a key is remembered (ms of event time)."""

    key: Words = Field(min_length=1)
    horizon: Duration


class Raw(Definition):
    """Whether raw events are kept in the store, and for how long after they were written (None: for ever)."""

    keep: bool = True
    retention: Duration | None = None


class Event(Definition):
    """One kind of event: its topic, fields, event time, duplicates, lateness and retention. Durations are ms."""

    event: Name
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    description: Text
    key: str
    time: str
    fields: dict[Name, EventField] = Field(min_length=1)
    dedupe: Dedupe | None = None
    disorder: Duration = 5_000
    allowed_lateness: Duration = 600_000
    future_cap: Duration = 300_000
    idle_after: Duration = 10_000
    raw: Raw = Raw()


class Measure(Definition):
    """One aggregate over one event with an optional filter, both ClickHouse SQL over the event's fields."""

    measure: Name
    event: str
    expr: str
    filter: str = ""
    description: Text | None = None


class Metric(Definition):
    """A named figure, a measure (simple) or one metric over another (ratio), and all that a reader must know of it."""

    metric: Name
    version: int = Field(ge=1)
    name: Text
    description: Text
    type: Literal["simple", "ratio"]
    measure: str = ""
    numerator: str = ""
    denominator: str = ""
    scale: int = Field(default=1, ge=1)
    unit: Literal["money", "count", "people", "pieces", "ms", "percent", "per_unit"]
    owner: str = Field(min_length=1)
    dimensions: Words = ()
    additivity: dict[str, Additivity] = Field(default_factory=dict)
    source: str = ""
    status: Literal["draft", "published", "deprecated"] = "published"

    @model_validator(mode="after")
    def _parts(self) -> Metric:
        if self.type == "simple" and (not self.measure or self.numerator or self.denominator):
            raise ValueError("a simple metric has a 'measure' and neither 'numerator' nor 'denominator'")
        if self.type == "ratio" and (self.measure or not self.numerator or not self.denominator):
            raise ValueError("a ratio metric has a 'numerator' and a 'denominator' (metric codes) and no 'measure'")
        if self.type == "ratio" and self.numerator == self.denominator:
            raise ValueError("numerator and denominator are the same metric")
        return self

    @property
    def id(self) -> str:
        """``code@version``, as figures carry it."""
        return f"{self.metric}@{self.version}"


class Cube(Definition):
    """A set of dimensions for which cells are stored, and at which grains."""

    cube: Name
    dimensions: Words = ()
    grains: Annotated[tuple[Grain, ...], BeforeValidator(_tuple)] = GRAINS

    @field_validator("grains")
    @classmethod
    def _base_grain(cls, value: tuple[Grain, ...]) -> tuple[Grain, ...]:
        if "10s" not in value:
            raise ValueError("every cube has the base grain 10s; add 1h and 1d where long ranges are read")
        return value


class Ranking(Definition):
    """A metric ranked by the values of a dimension."""

    metric: str
    dimension: str


class Settings(Definition):
    """Facts of the registry as a whole. ``headline``, ``trend`` and ``top`` say what an overview shows; they change no figure."""

    registry: Name
    zone: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    headline: Words = ()
    trend: str = ""
    top: Annotated[tuple[Ranking, ...], BeforeValidator(_tuple)] = ()

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"'{value}' is no IANA time zone; write one such as Asia/Shanghai")
        return value

    @property
    def tz(self) -> ZoneInfo:
        """The zone whose calendar days are the business days."""
        return ZoneInfo(self.zone)
