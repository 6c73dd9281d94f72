"""The embedded store as a process: starting, ending, being killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from deploy.local.lifetime import die_with_parent
from tests.support.store_process import ROOT, StoreProcess, running_store, start_store
from tests.support.wait import wait_until

pytestmark = pytest.mark.store

_CREATE = b"CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000"


def _insert(store: StoreProcess, value: int, token: str) -> None:
    store.post(b"INSERT INTO t VALUES (%d)" % value, insert_deduplication_token=token)


def _refusal(data_dir: Path, port: int = 0) -> tuple[int, str]:
    process = start_store(data_dir, port)
    _, error = process.communicate(timeout=20)
    return process.returncode, error


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    with running_store(tmp_path / "d") as store:
        store.post(_CREATE)

        def write() -> None:
            value = 0
            while True:
                try:
                    _insert(store, value, f"t{value}")
                except (OSError, urllib.error.URLError):
                    return
                acknowledged.append(value)
                value += 1

        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda: len(acknowledged) >= 50, 20, "50 inserts")
        store.stop(signal.SIGKILL)
        writer.join()
    with running_store(tmp_path / "d") as store:
        kept = [int(line) for line in store.post(b"SELECT a FROM t ORDER BY a").split()]
        assert kept in (acknowledged, [*acknowledged, len(acknowledged)])  # the last one may have landed unanswered
        _insert(store, 10_000, "t7")  # tokens survive as well
        assert int(store.post(b"SELECT count() FROM t")) == len(kept)


def test_sigterm_lets_a_running_insert_finish(tmp_path: Path) -> None:
    with running_store(tmp_path / "d") as store:
        store.post(_CREATE)
        answers: list[bytes] = []
        slow = b"INSERT INTO t SELECT number + sleepEachRow(0.1) FROM numbers(10) SETTINGS max_block_size = 1"
        writer = threading.Thread(target=lambda: answers.append(store.post(slow)))
        writer.start()
        wait_until(lambda: b"sleepEachRow" in store.post(b"SELECT query FROM system.processes"), 5, "the insert to run")
        assert store.stop(signal.SIGTERM) == 0
        writer.join()
        assert answers == [b""]
    with running_store(tmp_path / "d") as store:
        assert store.post(b"SELECT count() FROM t") == b"10\n"
        assert store.stop(signal.SIGINT) == 0


def test_a_second_instance_names_the_first(tmp_path: Path) -> None:
    with running_store(tmp_path / "d") as store:
        before = time.monotonic()
        code, error = _refusal(tmp_path / "d")
        assert time.monotonic() - before < 3
        assert code == 78
        assert f"process {store.process.pid}" in error
        assert error.count("\n") == 1
        assert store.post(b"SELECT 1") == b"1\n"


def test_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, error = _refusal(tmp_path / "d", port)
    assert (code, error.count("\n"), f"127.0.0.1:{port}" in error) == (78, 1, True)


@pytest.mark.parametrize("place", ["a_file", "a_file/below", "/proc/store", "what?/d"])
def test_a_directory_that_cannot_be_used(tmp_path: Path, place: str) -> None:
    (tmp_path / "a_file").write_text("in the way")
    code, error = _refusal(tmp_path / place)
    assert (code, error.count("\n"), "Traceback" in error) == (78, 1, False), error
    assert place.removeprefix("/") in error


def test_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'deploy.local.store', '--data-dir', {str(tmp_path / 'd')!r},"
        " '--port', '0'], stdout=subprocess.PIPE, text=True)\n"
        "p.stdout.readline(); print(p.pid, flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    wait_until(lambda: not _alive(pid), 10, "the store to end with its parent")
    with running_store(tmp_path / "d") as store:
        assert store.post(b"SELECT 1") == b"1\n"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
