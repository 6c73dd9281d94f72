"""The api when something is missing: it goes on answering, and says what is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from api.options import ApiOptions, ApiStartError
from api.server import run_api
from api.snapshot_loop import LoopOptions
from metric_defs import load_registry
from sinks.clickhouse.client import ClickHouse, StoreConnection
from tests.support.api_process import Api, serving
from tests.support.days import make_day
from tests.support.fill import Filler
from tests.support.store_process import ROOT, running_store
from tests.support.wait import wait_until

pytestmark = pytest.mark.store
KIOSK = ROOT / "tests" / "support" / "catalogs" / "kiosk"
QUICK = LoopOptions(tick_ms=50)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def reasons(api: Api) -> list[str]:
    reply = api.get("/readyz")
    return reply.json()["reasons"] if reply.status == 503 else []


def test_figures_outlive_the_store_and_say_so(tmp_path: Path) -> None:
    registry = load_registry()
    with running_store(tmp_path) as process:
        connection = StoreConnection(f"http://127.0.0.1:{process.port}")
        filler = Filler(ClickHouse(connection), registry)
        now = now_ms()
        day = make_day(now, hours=0.2, orders=100)
        filler.send({"orders": day.orders, "page_views": day.views, "live_events": day.live}, now)
        with serving(ApiOptions(registry, connection, loop=QUICK)) as api:
            wait_until(lambda: api.get("/readyz").status == 200, 20, "figures are there")
            (before,) = api.figures(metrics="pay_amt", window="total")
            (hot,) = api.figures(metrics="pay_amt")
            process.stop(signal.SIGKILL)
            (after,) = wait_until(
                lambda: [f for f in api.figures(metrics="pay_amt") if f["stale"]], 10, "the figure is marked stale"
            )
            assert (after["value"], after["stale_reason"]) == (hot["value"], "store_unreachable")
            assert after["as_of"] >= hot["as_of"]
            assert reasons(api) == ["the store cannot be read"]
            assert api.get("/livez").status == 200
            assert api.get("/v1/status").json()["store"]["reachable"] is False
            strict = api.get("/v1/live", {"metrics": "pay_amt", "strict": "1"})
            assert (strict.status, strict.headers["retry-after"]) == (503, "1")
            started = time.monotonic()
            kept = api.get("/v1/live", {"metrics": "pay_amt", "window": "total"}).json()["figures"][0]
            assert (kept["value"], kept["stale"]) == (before["value"], True)
            cold = api.get("/v1/top", {"metric": "pay_amt", "dimension": "item_id"})
            assert (cold.status, cold.headers["content-type"]) == (503, "application/problem+json")
            assert time.monotonic() - started < 6
            age = api.get("/v1/live", {"metrics": "pay_amt"}).json()["figures"][0]["freshness_ms"]
            wait_until(
                lambda: api.figures(metrics="pay_amt")[0]["freshness_ms"] > age, 10, "freshness goes on being told"
            )
            with running_store(tmp_path, process.port):
                wait_until(lambda: api.get("/readyz").status == 200, 20, "the store is found again")
                late = day.orders[0] | {"event_id": "new", "event_time": now, "type": "paid", "amount": 77}
                filler.send({"orders": [late]}, now_ms())
                wait_until(
                    lambda: api.figures(metrics="pay_amt")[0]["value"] == hot["value"] + 77, 10, "new records are told"
                )
        filler.close()


def test_before_anything_is_there_the_api_says_what_it_waits_for(tmp_path: Path) -> None:
    registry = load_registry()
    with running_store(tmp_path) as process:
        connection = StoreConnection(f"http://127.0.0.1:{process.port}")
        with serving(ApiOptions(registry, connection, loop=QUICK)) as api:
            wait_until(lambda: reasons(api) == ["the store cannot be read"], 10, "there are no tables")
            assert api.get("/v1/live", {"metrics": "pay_amt"}).status == 503
            assert api.get("/v1/metrics").status == 200
            filler = Filler(ClickHouse(connection), registry)
            wait_until(lambda: reasons(api) == ["no worker has counted anything yet"], 10, "there is no ledger")
            (figure,) = api.figures(metrics="pay_amt")
            assert (figure["value"], figure["frontier"], figure["stale_reason"]) == (0, None, "never_counted")
            filler.heartbeat(now_ms())
            wait_until(lambda: not reasons(api), 10, "ready")
        filler.close()


def test_a_catalogue_of_ones_own_is_served_as_well(tmp_path: Path) -> None:
    registry = load_registry(KIOSK)
    now = now_ms()
    readings: list[dict[str, Any]] = [
        {"meta": {"no": i, "when": {"ms": now - 1_000 * i}}, "kiosk": f"k{i % 3}", "kind": "sale", "cents": 10 + i,
         "litres": 0.5, "body": {"flavour": "茶"}} for i in range(60)
    ]  # fmt: skip
    visits = [{"at": now - 1_000, "kiosk": f"k{i % 3}", "visitor": f"v{i % 20}"} for i in range(60)]
    readings.sort(key=lambda r: r["meta"]["when"]["ms"])
    with running_store(tmp_path) as process:
        connection = StoreConnection(f"http://127.0.0.1:{process.port}")
        filler = Filler(ClickHouse(connection), registry)
        filler.send({"readings": readings, "visits": visits}, now)
        with serving(ApiOptions(registry, connection, loop=QUICK)) as api:
            wait_until(lambda: api.get("/readyz").status == 200, 20, "figures are there")
            sales, visitors, litres = api.figures(metrics="sales,visitors,litres", window="total")
            assert (sales["value"], visitors["value"], litres["value"]) == (sum(10 + i for i in range(60)), 20, 30.0)
            assert (sales["currency"], sales["unit"]) == ("NPR", "money")
            (by_kiosk,) = api.figures(metrics="sales", kiosk="k1", window="1h")
            end_ms = datetime.fromisoformat(by_kiosk["window"]["end"]).timestamp() * 1000
            assert by_kiosk["value"] == sum(10 + i for i in range(1, 60, 3) if now - 1_000 * i < end_ms)
            top = api.get("/v1/top", {"metric": "sales", "dimension": "flavour", "window": "total"}).json()["figures"]
            assert [(f["keys"], f["value"]) for f in top] == [({"flavour": "茶"}, sales["value"])]
            shown = api.get("/v1/metrics").json()["overview"]
            assert (shown["key"], shown["headline"][0]) == ("kiosk", "readings")
        filler.close()


def test_with_too_many_keys_only_totals_are_kept_ready(tmp_path: Path) -> None:
    registry = load_registry()
    now = now_ms()
    with running_store(tmp_path) as process:
        connection = StoreConnection(f"http://127.0.0.1:{process.port}")
        filler = Filler(ClickHouse(connection), registry)
        day = make_day(now, hours=0.1, orders=50)
        filler.send({"orders": day.orders, "page_views": day.views, "live_events": day.live}, now)
        with serving(ApiOptions(registry, connection, loop=LoopOptions(tick_ms=50, max_keys=2))) as api:
            wait_until(lambda: api.get("/readyz").status == 200, 20, "figures are there")
            (total,) = api.figures(metrics="pay_amt", window="today")
            (keyed,) = api.figures(metrics="pay_amt", window="today", shop_id="s0")
            assert total["snapshot"] is not None
            assert keyed["snapshot"] is None
            assert keyed["value"] <= total["value"]
        filler.close()


SERVER = """
import sys
from api.options import ApiOptions
from api.server import run_api
from metric_defs import load_registry
from sinks.clickhouse.client import StoreConnection
from deploy.local.lifetime import die_with_parent
die_with_parent()
options = ApiOptions(load_registry(), StoreConnection("http://127.0.0.1:1"), port=0)
sys.exit(run_api(options, lambda url: print(url, flush=True)))
"""


def test_the_server_says_where_it_is_and_stops_when_told() -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        api = Api(process.stdout.readline().strip())
        assert api.get("/livez").status == 200
        assert api.get("/readyz").status == 503
        port = int(api.url.rpartition(":")[2])
        taken = ApiOptions(load_registry(), StoreConnection("http://127.0.0.1:1"), port=port)
        with pytest.raises(ApiStartError, match=f"port {port} on 127.0.0.1 is in use"):
            run_api(taken, lambda _: None)
        started = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - started < 6
    finally:
        process.kill()
        process.communicate()
