"""All definitions together: validated, frozen, and with a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from metric_defs.expressions import Aggregate, Condition
from metric_defs.models import Cube, Event, Measure, Metric, Settings

SKETCH_ERROR = 0.003
"""Standard error of an approximate distinct count (uniqCombined64 of 17 bits: 1.04 / sqrt(2^17)), as a fraction of it."""
FLOAT_SUM_ERROR = 1e-9
"""Far above what rounding does to a sum of floats of one sign, far below what anyone reads."""


@dataclass(frozen=True, slots=True)
class CompiledMeasure:
    """A measure with its parsed expression and filter."""

    measure: Measure
    aggregate: Aggregate
    condition: Condition

    @property
    def exact(self) -> bool:
        """False where the value depends on more than the events counted, see ``relative_error``."""
        return self.relative_error == 0

    @property
    def relative_error(self) -> float:
        """Of a sketch its standard error; of a sum of floats what the order of adding may change; else 0."""
        if self.aggregate.function == "uniqCombined64":
            return SKETCH_ERROR
        return FLOAT_SUM_ERROR if self.aggregate.function == "sum" and self.aggregate.types[0] == "Float64" else 0.0

    @property
    def additive(self) -> bool:
        """True when the values of disjoint sets of events may be added."""
        return self.aggregate.function in ("count", "sum")

    @property
    def fingerprint(self) -> str:
        """Hash of what the measure means: event, rendered aggregate, rendered filter."""
        meaning = (self.measure.event, self.aggregate.function, self.aggregate.arguments, self.condition.sql)
        return hashlib.sha256(repr(meaning).encode()).hexdigest()[:12]

    @property
    def tag(self) -> int:
        """Its key in the state columns: 32 bits of the fingerprint, so a measure that changes its meaning changes its key."""
        return int(self.fingerprint[:8], 16)

    @property
    def formula(self) -> str:
        """What it computes, for people."""
        aggregate = f"{self.aggregate.function}({', '.join(self.aggregate.arguments)})"
        return aggregate + (f" where {self.condition.sql}" if self.condition.sql else "")


@dataclass(frozen=True)
class Registry:
    """The single source of meaning; nothing else in the project knows what a metric is."""

    settings: Settings
    events: Mapping[str, Event]
    measures: Mapping[str, CompiledMeasure]
    metrics: Mapping[str, Metric]
    cubes: Mapping[str, Cube]

    @property
    def fingerprint(self) -> str:
        """Hash of every definition: two processes with the same fingerprint agree on every figure."""
        parts = [self.settings.model_dump_json(exclude={"headline", "trend", "top"})]
        parts += [e.model_dump_json() for _, e in sorted(self.events.items())]
        parts += [f"{n}={m.fingerprint}" for n, m in sorted(self.measures.items())]
        parts += [m.model_dump_json() for _, m in sorted(self.metrics.items())]
        parts += [c.model_dump_json() for _, c in sorted(self.cubes.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def metric_fingerprint(self, code: str) -> str:
        """Hash of what a metric computes: its measures, how they are combined, and its unit."""
        metric = self.metrics[code]
        measures = [self.measures[m].fingerprint for m in self.measures_of_metric(code)]
        meaning = (
            metric.type,
            measures,
            metric.scale,
            metric.unit,
            self.settings.currency if metric.unit == "money" else "",
        )
        return hashlib.sha256(repr(meaning).encode()).hexdigest()[:12]

    def event_of_topic(self, topic: str) -> Event | None:
        """The event a topic carries, or None."""
        return next((e for e in self.events.values() if e.topic == topic), None)

    def measures_of_metric(self, code: str) -> tuple[str, ...]:
        """Names of the measures a metric is made of, in order of first use."""
        metric = self.metrics[code]
        if metric.type == "simple":
            return (metric.measure,)
        parts = self.measures_of_metric(metric.numerator) + self.measures_of_metric(metric.denominator)
        return tuple(dict.fromkeys(parts))

    def events_of_metric(self, code: str) -> tuple[str, ...]:
        """Events whose records a metric is made of."""
        return tuple(dict.fromkeys(self.measures[m].measure.event for m in self.measures_of_metric(code)))

    def metrics_of_measure(self, name: str) -> tuple[Metric, ...]:
        """Metrics that are made of a measure, directly or through a ratio's parts."""
        return tuple(m for code, m in self.metrics.items() if name in self.measures_of_metric(code))

    def measures_in_cube(self, cube: str, event: str | None = None) -> tuple[CompiledMeasure, ...]:
        """Measures stored in a cube: those whose event has its dimensions and that some metric may be cut by them."""
        return tuple(m for m in self._held[cube] if event is None or m.measure.event == event)

    @cached_property
    def _held(self) -> Mapping[str, tuple[CompiledMeasure, ...]]:
        cuts = {name: [set(m.dimensions) for m in self.metrics_of_measure(name)] for name in self.measures}
        fields = {name: set(self.events[m.measure.event].fields) for name, m in self.measures.items()}
        return {
            cube: tuple(
                m
                for name, m in self.measures.items()
                if set(c.dimensions) <= fields[name] and any(set(c.dimensions) <= cut for cut in cuts[name])
            )
            for cube, c in self.cubes.items()
        }

    def cube_for(self, measures: tuple[str, ...], dimensions: frozenset[str]) -> Cube | None:
        """The smallest stored cube that holds all ``measures`` cut by ``dimensions``, or None."""
        fitting = [
            cube
            for name, cube in self.cubes.items()
            if dimensions <= set(cube.dimensions)
            and set(measures) <= {m.measure.measure for m in self.measures_in_cube(name)}
        ]
        return min(fitting, key=lambda c: (len(c.dimensions), c.cube), default=None)

    @property
    def key_dimension(self) -> str:
        """The key field of the first declared event when some cube is cut by it, else '': what figures are most often cut by."""
        key = next((e.key for e in self.events.values()), "")
        return key if key in self.dimensions else ""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Every dimension of any cube, in order of first use: the dimension columns of the panes table."""
        return tuple(dict.fromkeys(d for cube in self.cubes.values() for d in cube.dimensions))

    def additivity(self, code: str, dimension: str) -> str:
        """How a metric may be rolled up over a dimension (or 'time'): as declared, else by its aggregate."""
        metric = self.metrics[code]
        declared = metric.additivity.get(dimension)
        if declared:
            return declared
        return "additive" if metric.type == "simple" and self.measures[metric.measure].additive else "non_additive"
