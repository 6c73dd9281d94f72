"""The log file of a child process: the child writes, we read along."""

import os
from pathlib import Path
from typing import BinaryIO

_TAIL_BYTES = 64 * 1024


class ChildLog:
    """One file, appended to over all lives of the child; readers see what the present life has written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._life_start_bytes = 0
        self._read_bytes = 0

    def open_for_child(self) -> BinaryIO:
        """Begin a life: a file to hand to the child as its output. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        output = self.path.open("ab")
        self._life_start_bytes = self._read_bytes = output.seek(0, os.SEEK_END)
        return output

    def new_lines(self) -> list[str]:
        """Whole lines written since the last call; a line still being written waits for its end."""
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()

    def tail(self, lines: int = 20) -> str:
        """The last ``lines`` of this life."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(self._life_start_bytes, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""
