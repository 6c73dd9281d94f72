"""The registry: what every event, measure, metric and cube means. No I/O but reading YAML."""

from metric_defs.faults import Fault, RegistryError
from metric_defs.load import BUILT_IN, load_registry
from metric_defs.models import PANE_MS, Cube, Event, Measure, Metric
from metric_defs.registry import CompiledMeasure, Registry

__all__ = [
    "BUILT_IN",
    "PANE_MS",
    "CompiledMeasure",
    "Cube",
    "Event",
    "Fault",
    "Measure",
    "Metric",
    "Registry",
    "RegistryError",
    "load_registry",
]
