"""Catalogues of events that the product has never heard of, for tests."""

from __future__ import annotations

from pathlib import Path

from metric_defs.load import load_registry
from metric_defs.registry import Registry

KIOSK_DIRECTORY = Path(__file__).parent / "kiosk"
KIOSK_MIDNIGHT_MS = 1_772_388_900_000
"""2026-03-01T18:15:00Z: midnight in the kiosk registry's zone, Asia/Kathmandu."""


SANTIAGO_SKIPPED_MS = 1_788_667_200_000
"""2026-09-06T04:00:00Z: in America/Santiago a day begins that has no midnight, the clocks go from 24:00 to 01:00."""


def awkward_registry() -> Registry:
    """One event whose names are those of the engine's own columns; its days change their length."""
    return load_registry(Path(__file__).parent / "awkward")


def kiosk_registry() -> Registry:
    """Two events with every type of field, nested paths and defaults; one of them without duplicates and lateness."""
    return load_registry(KIOSK_DIRECTORY)
