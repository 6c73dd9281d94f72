"""Bad rows: counted, the first shown, all kept beside the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Reject:
    """One bad row: its line (1-based; of a Parquet file, its row), why, and its text (the first million characters)."""

    line: int
    reason: str
    text: str


class RejectFile:
    """``NAME.rejects.jsonl`` in a directory: one JSON object a bad row. The file is made by the first of them.

    Raises OSError when it cannot be written.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / f"{name}.rejects.jsonl"
        self.count = 0
        self.first: list[Reject] = []
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)  # of an earlier replay
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, reject: Reject) -> None:
        """Count and keep one bad row."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(reject)
        safe = reject.text.encode("utf-8", "backslashreplace").decode()
        self._file.write(orjson.dumps({"line": reject.line, "reason": reject.reason, "text": safe}) + b"\n")
