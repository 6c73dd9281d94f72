"""The directory everything local lives in: made, checked, and owned by one process at a time."""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

from deploy.errors import OperatorError

MIN_FREE_BYTES = 200 * 1024 * 1024


class DataDirError(OperatorError):
    """The data directory cannot be used."""


class DataDirInUse(DataDirError):
    """Another process owns the directory; ``holder_pid`` is None when it left no name."""

    def __init__(self, what: str, hint: str, holder_pid: int | None) -> None:
        super().__init__(what, hint)
        self.holder_pid = holder_pid


def prepare_data_dir(path: Path) -> Path:
    """Create ``path`` if needed and return it resolved. Raises DataDirError unless it can be written and has room."""
    path = path.expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0" * 4096)  # a byte really written: an empty file can be made on a full disk
            probe.flush()
        free_bytes = shutil.disk_usage(path).free
    except OSError as error:
        raise _unusable(path, error) from error
    if free_bytes < MIN_FREE_BYTES:
        raise DataDirError(
            f"{path}: only {free_bytes >> 20} MB are free on this disk, {MIN_FREE_BYTES >> 20} MB are needed",
            "free some space, or name a directory on another disk with --data-dir",
        )
    return path.resolve()


class DirLock:
    """An exclusive hold on a directory. It ends with the process, so a crash leaves nothing to clean up."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def fileno(self) -> int:
        """The locked descriptor. A child that inherits it keeps the directory held until the child has ended too."""
        return self._fd

    def name_holders(self, *pids: int) -> None:
        """Write the holders into the lock file (the owner first), for whoever finds the directory in use."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, " ".join(map(str, pids)).encode() + b"\n", 0)

    def release(self) -> None:
        """Give the directory back; a second call does nothing."""
        if self._fd < 0:
            return
        os.ftruncate(self._fd, 0)
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> "DirLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock(path: Path, name: str, leftover_s: float = 10.0) -> DirLock:
    """Hold ``path`` through the file ``name`` in it.

    Raises DataDirInUse at once while the owner lives. When the owner is dead but a child of it still holds on (it is
    shutting down), waits up to ``leftover_s``. Raises DataDirError when the lock file cannot be written.
    """
    file = path / name
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unusable(path, error) from error
    deadline = time.monotonic() + leftover_s
    try:
        while not _try_flock(fd):
            pids = _holders(fd)
            owner_lives = not pids or is_alive(pids[0])
            if owner_lives or time.monotonic() > deadline:
                raise _in_use(path, pids)
            time.sleep(0.05)
        held = DirLock(file, fd)
        held.name_holders(os.getpid())
    except BaseException:
        os.close(fd)
        raise
    return held


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs (one that ended and was not yet waited for does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # no /proc here, or it ended just now
        return not Path("/proc/self").exists()
    return state not in "ZX"


def _try_flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holders(fd: int) -> list[int]:
    """Ids in the lock file; waits a moment for a holder that has the lock but has not yet written its name."""
    for _ in range(10):
        pids = [int(word) for word in os.pread(fd, 200, 0).split() if word.isdigit()]
        if pids:
            return pids
        time.sleep(0.02)
    return []


def _in_use(path: Path, pids: list[int]) -> DataDirInUse:
    living = [pid for pid in pids if is_alive(pid)]
    holder = living[0] if living else None
    return DataDirInUse(
        f"{path} is in use by {f'process {holder}' if holder else 'another process'}",
        "stop that process first, or name another directory with --data-dir",
        holder,
    )


def _unusable(path: Path, error: OSError) -> DataDirError:
    another = "name another directory with --data-dir"
    match error.errno:
        case errno.EEXIST | errno.ENOTDIR:
            return DataDirError(f"{path} is not a directory (or a part of its path is a file)", another)
        case errno.EROFS:
            return DataDirError(f"{path} is on a read-only file system", another)
        case errno.EACCES | errno.EPERM:
            return DataDirError(f"{path} cannot be written by this user", f"make it writable, or {another}")
        case errno.ENOSPC | errno.EDQUOT:
            return DataDirError(f"{path}: the disk is full", f"free some space, or {another}")
    return DataDirError(f"{path} cannot be used: {error.strerror or error}", another)
