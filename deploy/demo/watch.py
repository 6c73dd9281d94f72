"""``metricgrid demo``, which is what ``make run`` runs: start, feed, and stay in the live status."""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy.demo.background import Background
from deploy.demo.feed import feed
from deploy.demo.headlines import ApiSilent, ask_live, headline_metrics, shown
from deploy.demo.options import DemoOptions
from deploy.errors import OperatorError
from deploy.foreground import Stopped, stay, stopping_on_signals
from deploy.local.machine import Machine
from deploy.local.ports import KAFKA, STORE, Ports, api_port, usual
from deploy.settings import Effective
from deploy.status_view import live_view
from deploy.wiring import registry_of
from metric_defs import Registry
from streams.clock import system_clock

ASK_EVERY_S = 0.5


def run_watch(effective: Effective, options: DemoOptions) -> None:
    """Stay until a signal. Raises OperatorError, RegistryError or StoreError when something cannot go on."""
    started_s = time.monotonic()
    registry = registry_of(effective.settings)
    api = effective.settings.api

    def ports() -> Ports:
        port = api_port(api.host, api.port, insist=effective.origin("api.port") != "default")
        return Ports(usual(KAFKA), usual(STORE), port)

    with live_view(time.monotonic) as view:

        def say(text: str) -> None:
            view.line(f"[{time.monotonic() - started_s:5.1f} s] {text}")

        machine = Machine(effective.settings, registry, ports, options.workers, say)
        feeding: list[Background[None]] = []

        def begin_feeding() -> None:
            kafka = machine.settings.kafka.connection()
            feeding.append(Background("feed", lambda work: feed(registry, kafka, options, system_clock, say, work)))

        with stopping_on_signals(machine.kill, say):
            try:
                with machine:
                    machine.start(begin_feeding)
                    say(f"live page: {machine.address}/")
                    first = _FirstFigure(registry, machine.address, say)
                    stay(
                        machine,
                        registry,
                        view,
                        f"{machine.address}/  (Ctrl-C stops everything)",
                        lambda: _look(first, feeding[0], say),
                    )
            except Stopped:
                pass
            finally:
                for work in feeding:
                    work.cancel(2)
        say("stopped")


def _look(first: _FirstFigure, feeding: Background[None], say: Callable[[str], None]) -> None:
    first.look()
    if feeding.done:
        try:
            feeding.reraise()
        except OperatorError as error:
            say(f"the feed ended: {error}")
            feeding.forgive()


class _FirstFigure:
    """Says once when the api states a headline figure that is not nothing."""

    def __init__(self, registry: Registry, address: str, say: Callable[[str], None]) -> None:
        self._registry, self._address, self._say = registry, address, say
        self._metrics = list(headline_metrics(registry).values())
        self._next_s = 0.0

    def look(self) -> None:
        """Ask, if it is time and was not told yet."""
        if not self._metrics or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + ASK_EVERY_S
        try:
            figures = ask_live(self._address, self._metrics, "today", timeout_s=2)
        except ApiSilent:
            return
        told = [(code, figures[code]["value"]) for code in self._metrics if figures.get(code, {}).get("value")]
        if told:
            code, value = told[0]
            metric = self._registry.metrics[code]
            amount = shown(value, metric.unit, self._registry.settings.currency)
            self._say(f"first live figure: {metric.name.zh} {metric.name.en} today {amount}")
            self._metrics = []
