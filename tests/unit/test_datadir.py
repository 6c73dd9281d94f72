"""The data directory: what is refused, and with which words."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.datadir import DataDirError, DataDirInUse, is_alive, lock, prepare_data_dir

_HOLD = """
import sys
from pathlib import Path
from deploy.local.datadir import lock
held = lock(Path(sys.argv[1]), "up.lock")
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_created_with_its_parents(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "数据 b"
    assert prepare_data_dir(wanted) == wanted
    assert prepare_data_dir(wanted) == wanted
    assert list(wanted.iterdir()) == []


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_directory(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataDirError, match="is not a directory"):
        prepare_data_dir(file / below if below else file)


def test_one_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    with _as_ordinary_user(), pytest.raises(DataDirError, match="cannot be written by this user"):
        prepare_data_dir(closed)
    with _as_ordinary_user(), pytest.raises(DataDirError, match="cannot be written by this user"):
        lock(closed, "up.lock")


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 9 * 10**8, 100 * 1024 * 1024))
    with pytest.raises(DataDirError, match="only 100 MB are free on this disk, 200 MB are needed"):
        prepare_data_dir(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_with_no_byte_left_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: full)
        with pytest.raises(DataDirError, match="the disk is full"):
            prepare_data_dir(tmp_path)


def test_a_second_holder_is_told_who_is_first(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        with pytest.raises(DataDirInUse, match=f"{tmp_path} is in use by process {process.pid}") as caught:
            lock(tmp_path, "up.lock")
        assert caught.value.holder_pid == process.pid
        with lock(tmp_path, "other.lock"):
            pass

        process.kill()
        process.wait()
        with lock(tmp_path, "up.lock"):
            assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "up.lock").read_text() == ""


def test_a_leftover_of_a_dead_owner_is_waited_for(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        # the child of a dead owner: the lock is held, the first name in it is of nobody
        (tmp_path / "up.lock").write_text(f"{_dead_pid()} {process.pid}\n")
        with pytest.raises(DataDirInUse) as caught:
            lock(tmp_path, "up.lock", leftover_s=0.1)
        assert caught.value.holder_pid == process.pid

        assert process.stdin is not None
        process.stdin.close()
        lock(tmp_path, "up.lock", leftover_s=10).release()


def test_release_twice_is_harmless(tmp_path: Path) -> None:
    held = lock(tmp_path, "up.lock")
    held.release()
    held.release()


def test_who_is_alive() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(_dead_pid())
    unwaited = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert unwaited.stdout is not None
    unwaited.stdout.read()  # until it ends
    os.waitid(os.P_PID, unwaited.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(unwaited.pid)
    unwaited.wait()


@contextmanager
def _holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process


@contextmanager
def _as_ordinary_user() -> Iterator[None]:
    """Root may write anywhere; step down for the while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _dead_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid
