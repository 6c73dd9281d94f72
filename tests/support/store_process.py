"""An embedded store as a process of its own, for tests."""

import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from deploy.local.lifetime import die_with_parent

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class StoreProcess:
    """A running store and where it answers."""

    process: "subprocess.Popen[str]"
    port: int

    def client(self, **options: Any) -> Client:
        """A clickhouse-connect client without a session."""
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, autogenerate_session_id=False, **{"database": "metricgrid", **options}
        )

    def post(self, body: bytes = b"", headers: dict[str, str] | None = None, **arguments: str) -> bytes:
        """One raw request; raises urllib.error.HTTPError with the answer in it."""
        url = f"http://127.0.0.1:{self.port}/?" + urllib.parse.urlencode(arguments)
        request = urllib.request.Request(url, data=body, headers=headers or {}, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait, return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


def start_store(data_dir: Path, port: int = 0) -> "subprocess.Popen[str]":
    """Start the process without waiting for it to answer."""
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local.store", "--data-dir", str(data_dir), "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )


@contextmanager
def running_store(data_dir: Path, port: int = 0) -> Iterator[StoreProcess]:
    """A store that answers; stopped at the end, killed when it will not stop."""
    process = start_store(data_dir, port)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("store ready on 127.0.0.1:"), line + process.stderr.read()
        yield StoreProcess(process, int(line.rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()
