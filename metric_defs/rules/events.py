"""Rules for events: each has a key and a time, a topic of its own, and can tell its duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metric_defs.faults import Fault, did_you_mean
from metric_defs.models import Measure
from metric_defs.places import Places
from metric_defs.registry import Registry
from metric_defs.rules.rule import Rule

RESERVED_PREFIXES = ("k_", "h_", "m_", "l_")
"""Start of the names that the kernel, the tables and the readers add to the fields of an event."""


def key_and_time(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for name, event in registry.events.items():
        for role, field in (("key", event.key), ("time", event.time)):
            if field not in event.fields:
                yield places.fault(
                    "event",
                    name,
                    (role,),
                    f"event '{name}': '{role}' names the unknown field '{field}'",
                    did_you_mean(field, event.fields),
                )
            elif not event.fields[field].required:
                yield places.fault(
                    "event",
                    name,
                    ("fields", field),
                    f"event '{name}': its {role} field '{field}' must be required",
                    "add required: true",
                )
        time = event.fields.get(event.time)
        if time is not None and time.type != "timestamp":
            yield places.fault(
                "event",
                name,
                ("fields", event.time),
                f"event '{name}': its time field '{event.time}' is a {time.type}",
                "give it type: timestamp",
            )


def dedupe(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for name, event in registry.events.items():
        if event.dedupe is None:
            continue
        for field in event.dedupe.key:
            if field not in event.fields:
                yield places.fault(
                    "event",
                    name,
                    ("dedupe", "key"),
                    f"event '{name}': the dedupe key names the unknown field '{field}'",
                    did_you_mean(field, event.fields),
                )
        known = [event.fields[f] for f in event.dedupe.key if f in event.fields]
        if known and not any(f.required for f in known):
            yield places.fault(
                "event",
                name,
                ("dedupe", "key"),
                f"event '{name}': no field of the dedupe key is required",
                "records without them would all be duplicates of each other: require at least one",
            )
        if not event.raw.keep:
            yield places.fault(
                "event",
                name,
                ("raw",),
                f"event '{name}' drops duplicates but keeps no raw events",
                "seen keys are rebuilt from raw events after a restart: keep them, or drop 'dedupe'",
            )
        elif event.raw.retention is not None and event.raw.retention < event.dedupe.horizon + event.allowed_lateness:
            yield places.fault(
                "event",
                name,
                ("raw", "retention"),
                f"event '{name}' keeps raw events for less than it remembers duplicates",
                "retention must be at least the dedupe horizon plus allowed_lateness",
            )


def fields(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    for name, event in registry.events.items():
        paths: dict[str, str] = {}
        for field, spec in event.fields.items():
            if field.startswith(RESERVED_PREFIXES):
                yield places.fault(
                    "event",
                    name,
                    ("fields", field),
                    f"event '{name}': '{field}' is a name the engine uses itself",
                    f"rename the field and give its path: {spec.path or field}",
                )
            path = spec.path or field
            if path in paths:
                yield places.fault(
                    "event",
                    name,
                    ("fields", field),
                    f"event '{name}': fields '{paths[path]}' and '{field}' read the same path '{path}'",
                    "drop one of them",
                )
            paths.setdefault(path, field)


def topics(registry: Registry, _: Mapping[str, Measure], places: Places) -> Iterator[Fault]:
    carried: dict[str, str] = {}
    for name, event in registry.events.items():
        if event.topic in carried:
            yield places.fault(
                "event",
                name,
                ("topic",),
                f"topic '{event.topic}' already carries event '{carried[event.topic]}'",
                "one event per topic",
            )
        carried.setdefault(event.topic, name)


RULES: tuple[Rule, ...] = (key_and_time, dedupe, fields, topics)
