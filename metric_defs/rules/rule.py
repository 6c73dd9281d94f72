"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from metric_defs.faults import Fault
from metric_defs.models import Measure
from metric_defs.places import Places
from metric_defs.registry import Registry

Rule = Callable[[Registry, Mapping[str, Measure], Places], Iterator[Fault]]
"""(registry, all measures that could be read, compiled or not, where each stands) -> what is wrong."""
