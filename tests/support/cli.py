"""The command ``metricgrid`` as a user's shell runs it, for tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.lifetime import die_with_parent

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-P", "-m", "deploy.cli")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without settings of whoever runs the tests."""
    aliases = ("KAFKA_BOOTSTRAP_SERVERS", "CLICKHOUSE_URL")
    kept = {n: v for n, v in os.environ.items() if not n.startswith("METRICGRID_") and n not in aliases}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", **(extra or {})}


def metricgrid(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        preexec_fn=die_with_parent,
    )


@contextmanager
def started(*arguments: str, cwd: Path, output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run it in the background, both its outputs into a file; stopped at the end, killed if it will not."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=environment(),
            stdout=file,
            stderr=file,
            preexec_fn=die_with_parent,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
