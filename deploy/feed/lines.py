"""Lines of a text file with their numbers, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.feed.errors import SourceError

MAX_LINE_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. ``problem``: why its text cannot be used, or ''."""

    number: int
    text: str
    problem: str = ""


def read_lines(path: Path) -> Iterator[Line]:
    """Lines in order; blank ones are left out. Holds one line at a time, of one beyond 1 MiB its start.

    Raises SourceError for a file in UTF-16, OSError for one that cannot be read.
    """
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise SourceError(f"{path.name} is in UTF-16", "save it as UTF-8")
                raw = raw.removeprefix(BOM)
            if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
                yield Line(
                    number,
                    raw[:1000].decode("utf-8", "backslashreplace"),
                    f"line is longer than {MAX_LINE_BYTES} bytes",
                )
                while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                continue
            raw = raw.rstrip(b"\r\n")
            if not raw.strip():
                continue
            try:
                yield Line(number, raw.decode("utf-8"))
            except UnicodeDecodeError as exc:
                yield Line(
                    number, raw.decode("utf-8", "backslashreplace"), f"is not UTF-8 (byte {exc.start + 1} of the line)"
                )
