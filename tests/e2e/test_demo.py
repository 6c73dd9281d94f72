"""``metricgrid demo --exit``: from an empty directory to proven figures, and again with a worker killed in the middle."""

import re
from pathlib import Path

import pytest

from tests.support.cli import metricgrid, started
from tests.support.registries import GOOD, write_registry
from tests.support.wait import wait_until

EVENTS = 20_000
pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.timeout(180)]


def figures(text: str) -> dict[str, str]:
    """Metric -> value as printed."""
    return dict(re.findall(r"^(\w+) +([\d,.]+)(?: CNY)?  .*\(as the input says\)$", text, re.MULTILINE))


@pytest.mark.parametrize("kill", [(), ("--kill-worker",)], ids=["plain", "killed"])
def test_demo_proves_its_figures(tmp_path: Path, kill: tuple[str, ...]) -> None:
    done = metricgrid("demo", "--exit", "--events", str(EVENTS), "--port", "0", *kill, cwd=tmp_path, timeout_s=170)
    assert done.returncode == 0, done.stderr + done.stdout
    found = figures(done.stdout)
    assert found["pay_suborders"] == "20,000"
    assert found["pay_amt"] == "65,033.73"
    assert {"pay_orders", "pay_buyers", "active_shops", "pay_items"} <= found.keys()
    assert re.search(r"^rate +[\d,]+/s", done.stdout, re.MULTILINE)
    assert "audit clean" in done.stdout
    assert ("killing worker-1" in done.stderr) == bool(kill)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())  # all was in a temporary directory


def test_demo_to_watch_shows_a_figure_and_stops_on_a_signal(tmp_path: Path) -> None:
    output = tmp_path / "demo.txt"
    arguments = ("demo", "--events", "5000", "--data-dir", "d", "--port", "0")
    with started(*arguments, cwd=tmp_path, output=output) as process:
        wait_until(
            lambda: "first live figure" in output.read_text() or process.poll() is not None, 90, "the first live figure"
        )
        assert process.poll() is None, output.read_text()
        process.terminate()
        assert process.wait(60) == 0, output.read_text()
    text = output.read_text()
    assert "live page: http://127.0.0.1:" in text
    assert "stopped" in text
    assert "Traceback" not in text


def test_a_registry_without_orders_is_told_what_to_do(tmp_path: Path) -> None:
    write_registry(tmp_path / "defs", GOOD)
    done = metricgrid("demo", "--exit", "--registry", "defs", cwd=tmp_path)
    assert done.returncode == 1
    assert "the registry has no event 'orders'" in done.stderr
    assert "hint:" in done.stderr
