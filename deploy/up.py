"""What ``metricgrid up`` does."""

from __future__ import annotations

import time

from deploy.foreground import Stopped, stay, stopping_on_signals
from deploy.local.machine import Machine
from deploy.local.ports import KAFKA, STORE, Ports, api_port, usual
from deploy.settings import Effective
from deploy.status_view import live_view
from deploy.wiring import registry_of


def run_up(effective: Effective, workers: int, kafka_port: int | None, store_port: int | None) -> None:
    """Start everything, stay until a signal, stop everything. Raises OperatorError, RegistryError or StoreError."""
    settings = effective.settings
    registry = registry_of(settings)

    def ports() -> Ports:
        return Ports(
            usual(KAFKA) if kafka_port is None else kafka_port,
            usual(STORE) if store_port is None else store_port,
            api_port(settings.api.host, settings.api.port, insist=True),
        )

    started_s = time.monotonic()
    with live_view(time.monotonic) as view:

        def say(text: str) -> None:
            view.line(f"[{time.monotonic() - started_s:5.1f} s] {text}")

        machine = Machine(settings, registry, ports, workers, say)
        with stopping_on_signals(machine.kill, say):
            try:
                with machine:
                    machine.start()
                    say(f"live page: {machine.address}/")
                    stay(machine, registry, view, f"{machine.address}/  (Ctrl-C stops everything)")
            except Stopped:
                say("stopped")
