"""The whole thing on real orders: once, with proof, or to stay and watch."""

from __future__ import annotations

from deploy.demo.options import DemoOptions
from deploy.settings import Effective

__all__ = ["DemoOptions", "run_demo"]


def run_demo(effective: Effective, options: DemoOptions, *, once: bool) -> None:
    """Run the demo of the settings' registry. Raises OperatorError, RegistryError or StoreError."""
    if once:
        from deploy.demo.once import run_once

        run_once(effective, options)
    else:
        from deploy.demo.watch import run_watch

        run_watch(effective, options)
