"""The data of an INSERT as a file the engine can read: chDB has no input stream, only file(path)."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def body_file(data: bytes, fallback_dir: Path) -> Iterator[str]:
    """Yield a path under which ``data`` can be read by this process.

    The file has no name: it is memory on Linux, an unlinked file in ``fallback_dir`` elsewhere. So nothing is left
    behind however the process ends. Raises OSError when there is no room.
    """
    with _nameless(fallback_dir) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"


def _nameless(directory: Path) -> io.RawIOBase:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("metricgrid-insert", os.MFD_CLOEXEC), "wb", buffering=0)
    return tempfile.TemporaryFile(dir=directory, buffering=0)
