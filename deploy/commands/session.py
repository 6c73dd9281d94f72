"""What is common to all commands: the options that may stand anywhere, and the settings they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from deploy.settings import Effective, Settings

_WITH_VALUE = ("--config", "--set")
_PLAIN = ("--debug",)


@dataclass(frozen=True, slots=True)
class Session:
    """The options before the command."""

    config: Path | None = None
    overrides: tuple[str, ...] = ()
    debug: bool = False


def hoisted(arguments: list[str]) -> list[str]:
    """The same arguments with the common options in front, wherever they stood before a ``--``."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _WITH_VALUE:
            front += [word, *_next(words)]
        elif word in _PLAIN or word.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def effective_of(context: typer.Context, flags: dict[str, object] | None = None) -> Effective:
    """All settings with their origins; ``flags``: dotted key -> the command's own option. Raises SettingsError."""
    from deploy.settings_layers import load_settings

    session: Session = context.find_root().obj
    overrides: dict[str, object] = {}
    for text in session.overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"'{text}': write KEY=VALUE, such as worker.group=blue", param_hint="--set")
        overrides[key] = value
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    return load_settings({**overrides, **given}, session.config)


def settings_of(context: typer.Context, flags: dict[str, object] | None = None) -> Settings:
    """All settings. Raises SettingsError."""
    return effective_of(context, flags).settings


def _next(words: Iterator[str]) -> list[str]:
    value = next(words, None)
    return [] if value is None else [value]
