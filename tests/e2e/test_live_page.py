"""The live page in a real browser: it shows the api's figures, says when they are stale, and reads text as text."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from api.options import ApiOptions
from api.snapshot_loop import LoopOptions
from metric_defs import load_registry
from sinks.clickhouse.client import ClickHouse, StoreConnection
from tests.support.api_process import Api, serving
from tests.support.days import Day, make_day
from tests.support.fill import Filler
from tests.support.store_process import StoreProcess, running_store
from tests.support.wait import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.store,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
EVIL = "<img src=x onerror=alert(1)>"


@dataclass(slots=True)
class World:
    """A store with a day in it, the api over it, and a browser."""

    process: StoreProcess
    filler: Filler
    api: Api
    browser: Browser
    day: Day
    faults: list[str] = field(default_factory=list)

    def page(self, width: int = 1440, height: int = 900, language: str = "en-GB") -> Page:
        """The live page in a window of its own; what goes wrong in it is noted."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, locale=language)
        page = context.new_page()
        page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.faults.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith(self.api.url) else self.faults.append(f"asked {r.url}"))
        page.on("dialog", lambda d: self.faults.append(f"dialog {d.message}"))
        page.goto(self.api.url)
        expect(page.locator("body")).to_have_attribute("data-state", "live", timeout=15_000)
        return page


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    registry = load_registry()
    now = now_ms()
    day = make_day(now, hours=0.5, orders=300)
    for record in (*day.orders[:20], *day.views[:20]):
        record["shop_id"] = EVIL
    with running_store(tmp_path) as process:
        connection = StoreConnection(f"http://127.0.0.1:{process.port}")
        filler = Filler(ClickHouse(connection), registry)
        filler.send({"orders": day.orders, "page_views": day.views, "live_events": day.live}, now)
        options = ApiOptions(registry, connection, loop=LoopOptions(tick_ms=100, stale_after_ms=60_000))
        with serving(options) as api, sync_playwright() as playwright:
            wait_until(lambda: api.get("/readyz").status == 200, 20, "figures are there")
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield World(process, filler, api, browser, day)
            browser.close()
        filler.close()


def money(minor: int) -> str:
    return f"¥{minor / 100:,.2f}"


def shown(page: Page, metric: str) -> str:
    return page.locator(f"[data-metric={metric}] .value").inner_text()


def test_the_page_shows_what_the_api_says(world: World) -> None:
    page = world.page()
    codes = world.api.get("/v1/metrics").json()["overview"]["headline"]
    expect(page.locator(".tile")).to_have_count(len(codes))
    (amount,) = world.api.figures(metrics="pay_amt")
    expect(page.locator("[data-metric=pay_amt] .value")).to_have_text(money(amount["value"]))
    for tile in page.locator(".tile").all():
        expect(tile.locator(".age span")).to_contain_text("data")
    expect(page.locator(".rankings li").first).to_be_visible()
    assert page.locator("[data-ranking=item_id] li").count() == 8
    expect(page.locator("[data-ranking=room_id] h2")).to_have_text("Top Live room by Live paid amount")
    assert page.locator("#chart path.line").count() == 2
    expect(page.locator("#trend-note")).to_contain_text("data")

    # new records arrive by themselves
    late = {**world.day.orders[0], "event_id": "late", "type": "paid", "amount": 12_345, "event_time": now_ms()}
    world.filler.send({"orders": [late]}, now_ms())
    expect(page.locator("[data-metric=pay_amt] .value")).to_have_text(money(amount["value"] + 12_345), timeout=8_000)

    # one shop, whose name is text and nothing else
    page.select_option("#key", EVIL)
    (one,) = world.api.figures(metrics="pay_amt", shop_id=EVIL)
    expect(page.locator("[data-metric=pay_amt] .value")).to_have_text(money(one["value"]))
    assert page.locator("img").count() == 1
    page.select_option("#key", "")

    # another window, another language
    page.click("[data-window='1m']")
    (minute,) = world.api.figures(metrics="pay_amt", window="1m")
    expect(page.locator("[data-window='1m']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-metric=pay_amt] .value")).to_have_text(money(minute["value"]), timeout=15_000)
    page.click("#language")
    expect(page.locator("[data-metric=pay_amt] .name b")).to_have_text("支付金额")
    expect(page.locator("h1")).to_have_text("实时概览")
    assert world.faults == []


def test_the_page_fits_a_phone(world: World) -> None:
    page = world.page(390, 844, "zh-CN")
    expect(page.locator("h1")).to_have_text("实时概览")
    expect(page.locator(".rankings li").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert world.faults == []


def test_stale_figures_are_greyed_out_with_words(world: World) -> None:
    page = world.page()
    before = shown(page, "pay_amt")
    world.process.stop(signal.SIGKILL)
    expect(page.locator("body")).to_have_attribute("data-state", "stale", timeout=15_000)
    expect(page.locator("#banner")).to_contain_text("The store cannot be read")
    expect(page.locator(".tile.old")).to_have_count(page.locator(".tile").count())
    expect(page.locator("[data-metric=pay_amt] .age span")).to_contain_text("stale")
    assert shown(page, "pay_amt") == before

    page.context.set_offline(True)
    expect(page.locator("body")).to_have_attribute("data-state", "away", timeout=15_000)
    expect(page.locator("#banner")).to_contain_text("cannot be reached")
    assert shown(page, "pay_amt") == before


def test_a_hidden_page_does_not_ask(world: World) -> None:
    page = world.page()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with page.expect_request(lambda r: "/v1/live" in r.url):
        pass
    page.evaluate(hide, True)
    page.wait_for_load_state("networkidle")
    count = len(asked)
    page.wait_for_timeout(2_500)  # what must not happen cannot be waited for
    assert len(asked) == count
    with page.expect_request(lambda r: "/v1/live" in r.url):
        page.evaluate(hide, False)
