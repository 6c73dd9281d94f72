"""Rules for cubes: their dimensions are text fields of some event, and no two cubes are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metric_defs.faults import Fault, did_you_mean
from metric_defs.models import Measure
from metric_defs.places import Places
from metric_defs.registry import Registry
from metric_defs.rules.rule import Rule

RESERVED = {"lane", "cube", "grain", "pane", "seq", "topic", "sums", "fsums", "sets", "sketches"}
"""Column names of the panes table that no dimension may take; what else it adds no field may be called."""


def dimensions(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    known = {f for e in registry.events.values() for f in e.fields}
    for name, cube in registry.cubes.items():
        for dimension in dict.fromkeys(cube.dimensions):
            holders = [e.fields[dimension] for e in registry.events.values() if dimension in e.fields]
            if dimension in RESERVED:
                yield places.fault(
                    "cube",
                    name,
                    ("dimensions",),
                    f"cube '{name}': '{dimension}' is a name the store uses itself",
                    "rename the field, give its 'path'",
                )
            elif not holders and not places.is_broken("event"):
                yield places.fault(
                    "cube",
                    name,
                    ("dimensions",),
                    f"cube '{name}': no event has a field '{dimension}'",
                    did_you_mean(dimension, known),
                )
            elif any(f.type != "string" for f in holders):
                yield places.fault(
                    "cube",
                    name,
                    ("dimensions",),
                    f"cube '{name}': dimension '{dimension}' is no string field",
                    "give the field type: string",
                )


def repeats(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    seen: dict[frozenset[str], str] = {}
    for name, cube in registry.cubes.items():
        stored = frozenset(cube.dimensions)
        if len(stored) != len(cube.dimensions):
            yield places.fault(
                "cube", name, ("dimensions",), f"cube '{name}' names a dimension twice", "keep one of them"
            )
        if stored in seen:
            yield places.fault(
                "cube",
                name,
                ("dimensions",),
                f"cube '{name}' repeats the dimensions of cube '{seen[stored]}'",
                "drop one of them",
            )
        seen.setdefault(stored, name)


RULES: tuple[Rule, ...] = (dimensions, repeats)
