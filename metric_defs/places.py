"""Where each definition stands, so that checks across files can name file and line."""

from __future__ import annotations

from metric_defs.faults import Fault
from metric_defs.source import Document, Path_


class Places:
    """Remembers document and path of every accepted definition, by (kind, name), and the names of rejected ones."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], tuple[Document, Path_]] = {}
        self._broken: set[tuple[str, str]] = set()

    def accept(self, kind: str, name: str, document: Document, path: Path_) -> None:
        """Keep the place of a definition."""
        self._places[kind, name] = (document, path)

    def reject(self, kind: str, name: str) -> None:
        """There is a definition of this name, but it cannot be used."""
        self._broken.add((kind, name))

    def reject_unnamed(self, *kinds: str) -> None:
        """There is something unreadable that may well define these kinds, under any name."""
        self._broken |= {(kind, "") for kind in kinds}

    def is_broken(self, kind: str, name: str | None = None) -> bool:
        """Whether this definition (or any of the kind) may have been rejected: then what misses it is not to blame."""
        if name is None:
            return any(k == kind for k, _ in self._broken)
        return (kind, name) in self._broken or (kind, "") in self._broken

    def of(self, kind: str, name: str) -> str:
        """``file:line`` of a definition."""
        document, path = self._places[kind, name]
        return f"{document.file}:{document.line(path)}"

    def fault(self, kind: str, name: str, inner: Path_, message: str, hint: str = "") -> Fault:
        """A fault at ``inner`` within a definition."""
        document, path = self._places[kind, name]
        return Fault(document.file, document.line((*path, *inner)), message, hint)
