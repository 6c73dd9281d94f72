"""Examines everything a process needs, one finding a line: what it is, how it is, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.doctor.finding import Finding
from deploy.doctor.local import data_dir, packages, ports, python_version
from deploy.doctor.remote import kafka, registry, store
from deploy.settings import Effective

__all__ = ["Finding", "examine"]


def examine(effective: Effective) -> Iterator[Finding]:
    """Findings, each as soon as it is known."""
    settings = effective.settings
    yield python_version()
    yield from packages()
    yield data_dir(settings.data_dir)
    definitions, finding = registry(settings)
    yield finding
    yield from kafka(settings, definitions)
    yield from store(settings, definitions)
    yield from ports(settings, effective.origin("kafka.bootstrap").startswith("the instance"))
