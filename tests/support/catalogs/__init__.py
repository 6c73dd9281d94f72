"""Catalogues of events that the product has never heard of, for tests."""

from __future__ import annotations

from pathlib import Path

from metric_defs.load import load_registry
from metric_defs.registry import Registry

KIOSK_DIRECTORY = Path(__file__).parent / "kiosk"
KIOSK_MIDNIGHT_MS = 1_772_388_900_000
"""2026-03-01T18:15:00Z: midnight in the kiosk registry's zone, Asia/Kathmandu."""


def kiosk_registry() -> Registry:
    """Two events with every type of field, nested paths and defaults; one of them without duplicates and lateness."""
    return load_registry(KIOSK_DIRECTORY)
