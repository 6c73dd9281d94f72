"""The README's five minutes: an event and metrics of one's own, by YAML alone, with the commands that stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.lifetime import die_with_parent
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
MINE = """
  - metric: late_parcels
    version: 1
    name: {zh: 迟到件数, en: Late parcels}
    description: {zh: 晚于承诺时间送达的包裹数, en: Parcels handed over later than promised}
    type: simple
    measure: parcels_late
    unit: count
    owner: logistics
    dimensions: [depot]
"""


def readme_commands() -> list[list[str]]:
    """The indented commands of the README's section, as argument lists."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Five minutes")[1].split("\n## ")[0]
    text = section.replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("    ")]


def environment(directory: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "METRICGRID_DATA_DIR": str(directory / "data"),
        "METRICGRID_API__PORT": "0",
    }


@contextmanager
def running(arguments: list[str], directory: Path) -> Iterator[str]:
    """``metricgrid up …`` until the api answers; yields its address."""
    out = directory / "up.log"
    with out.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", *arguments],
            cwd=ROOT,
            env=environment(directory),
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
        try:
            found = wait_until(
                lambda: re.search(r"api ready on (http://\S+)", out.read_text()) or process.poll(),
                90,
                "the api to answer",
            )
            assert isinstance(found, re.Match), out.read_text()
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0, out.read_text()[-2000:]


def get(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())  # type: ignore[no-any-return]


def values(base: str, query: str) -> dict[str, object]:
    figures = get(f"{base}/v1/live?{query}")["figures"]
    assert isinstance(figures, list)
    return {str(f["metric"]).split("@")[0]: f["value"] for f in figures}


@pytest.mark.timeout(240)
def test_the_readme_s_five_minutes_hold(tmp_path: Path) -> None:
    commands = {(c[0], c[1]): c for c in readme_commands()}
    check, up, replay, audit = (commands["metricgrid", word] for word in ("registry", "up", "replay", "audit"))
    curl = next(c for (first, _), c in commands.items() if first == "curl")
    registry = tmp_path / "registry"
    shutil.copytree(ROOT / "examples/deliveries/registry", registry)
    mine = registry / "deliveries.yaml"
    text = mine.read_text(encoding="utf-8")
    text = text.replace(
        "\nmetrics:\n",
        "\n  - {measure: parcels_late, event: deliveries, expr: count(), filter: minutes_late > 0}\n\nmetrics:" + MINE,
        1,
    )
    mine.write_text(text, encoding="utf-8")

    def ours(command: list[str], *drop: str) -> list[str]:
        words = [
            str(registry)
            if w == "examples/deliveries/registry"
            else str(tmp_path / "data")
            if w == "data/deliveries"
            else w
            for w in command[1:]
        ]
        return [w for w in words if w not in ("&", *drop)]

    def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli", *arguments],
            cwd=ROOT,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            preexec_fn=die_with_parent,
        )

    assert run(ours(check)).returncode == 0
    with running(ours(up), tmp_path) as base:
        sent = run(ours(replay))
        assert sent.returncode == 0, sent.stderr
        assert "yesterday" in sent.stderr + sent.stdout, "the broken row is shown"
        query = curl[1].split("/v1/live?")[1]
        wait_until(lambda: values(base, query)["delivered"] == 167, 30, "Nord's 167 parcels")
        rate = values(base, query)["on_time_rate"]
        assert isinstance(rate, float)
        assert 0 < rate < 1
        all_figures = values(base, "metrics=delivered,late_parcels,delivered_on_time,delivery_fees&window=total")
        assert all_figures["delivered"] == 500, "each parcel once"
        assert all_figures["late_parcels"] == 500 - int(str(all_figures["delivered_on_time"])), (
            "a metric added by YAML alone"
        )
        done = run(ours(audit))
        assert done.returncode == 0, done.stdout + done.stderr
