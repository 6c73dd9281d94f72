"""YAML with places: every value remembers the file and line it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from metric_defs.faults import Fault

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The plain value of one YAML file and the line of every key path in it."""

    file: str
    value: Any
    lines: dict[Path_, int] = field(default_factory=dict)
    unread: frozenset[Path_] = frozenset()
    """Paths of values that could not be read and stand as None; a fault has been reported for each."""

    def line(self, path: Path_) -> int:
        """Line of ``path`` or of its nearest enclosing value."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 0


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a definition stands where it is read, and a few of them could unfold to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ComposerError(problem="aliases (*name) are not supported, write the value out", problem_mark=mark)
        return super().compose_node(parent, index)


def read_document(path: Path, shown_as: str) -> tuple[Document | None, list[Fault]]:
    """Parse one file. A file that cannot be read or parsed, or that repeats a key, yields faults instead of raising."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        return None, [Fault(shown_as, line, f"is not UTF-8: {exc.reason}", "save the file as UTF-8")]
    except OSError as exc:
        return None, [Fault(shown_as, 0, f"cannot be read: {exc.strerror}")]
    try:
        node = yaml.compose(text, Loader=_Loader)
    except ReaderError as exc:
        line = text[: exc.position].count("\n") + 1
        return None, [Fault(shown_as, line, f"is not YAML: character #x{exc.character:04x} is not allowed")]
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        return None, [Fault(shown_as, mark.line + 1 if mark else 0, f"is not YAML: {getattr(exc, 'problem', exc)}")]
    except RecursionError:
        return None, [Fault(shown_as, 0, "is nested too deeply to be a registry file")]
    if node is None:
        return Document(shown_as, {}), []
    reader = _Reader(shown_as)
    value = reader.plain(node, ())
    return Document(shown_as, value, reader.lines, frozenset(reader.unread)), reader.faults


class _Reader:
    """Turns nodes into plain values, noting lines and faults on the way."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._scalars = yaml.SafeLoader("")
        self.lines: dict[Path_, int] = {}
        self.faults: list[Fault] = []
        self.unread: set[Path_] = set()

    def plain(self, node: yaml.Node, path: Path_) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(child, (*path, i)) for i, child in enumerate(node.value)]
        try:
            return self._scalars.construct_object(node, deep=True)
        except Exception:  # constructors of odd tags (!!timestamp x, !!bool x) leak whatever they stumble over
            self._fault(node, f"value '{node.value}' cannot be read as {node.tag}", "put it in quotes if it is text")
            self.unread.add(path)
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, "a key must be a word")
                continue
            key = str(key_node.value)
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            if key in result:
                self._fault(key_node, f"key '{key}' is given twice", "keep one of them")
            result[key] = self.plain(value_node, (*path, key))
        return result

    def _fault(self, node: yaml.Node, message: str, hint: str = "") -> None:
        self.faults.append(Fault(self._file, node.start_mark.line + 1, message, hint))
