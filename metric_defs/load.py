"""From a directory of YAML files to a Registry, or to the list of all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from metric_defs.checks import check
from metric_defs.faults import Fault, RegistryError, did_you_mean
from metric_defs.models import NAME, Cube, Event, Measure, Metric, Settings
from metric_defs.places import Places
from metric_defs.registry import Registry
from metric_defs.source import Document, Path_, read_document

BUILT_IN = Path(__file__).parent / "catalog"
"""The catalogue that comes with the package."""

_KINDS: dict[str, tuple[str, type[BaseModel]]] = {
    "metric": ("metrics", Metric),
    "measure": ("measures", Measure),
    "event": ("events", Event),
    "cube": ("cubes", Cube),
}
"""Key of one definition -> key of a list of them, model. The first key found says what a file of one definition is:
a metric names a measure and a measure an event, never the other way round."""
_PLACEHOLDER = Settings(registry="none", zone="UTC", currency="XXX")
M = TypeVar("M", bound=BaseModel)


def load_registry(directory: Path | None = None) -> Registry:
    """Load and check a catalogue directory (default: the built-in one). Raises RegistryError with every fault."""
    root = directory or BUILT_IN
    if not root.is_dir():
        raise RegistryError(
            [Fault(str(root), 0, "is no directory", "give a directory of YAML files, see the README's five minutes")]
        )
    faults: list[Fault] = []
    places = Places()
    documents = list(_documents(root, places, faults))
    settings = _settings(documents, places, faults)
    found_by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
    for document in documents:
        for kind, path, item in _items(document, places, faults):
            _take(document, kind, path, item, found_by_kind[kind], places, faults)
    if not found_by_kind["event"] and not places.is_broken("event"):
        faults.append(Fault(root.name, 0, "defines no event", "add events/NAME.yaml"))
    draft = Registry(settings, found_by_kind["event"], {}, found_by_kind["metric"], found_by_kind["cube"])
    registry, more = check(draft, found_by_kind["measure"], places, sound=not faults)
    if faults or more:
        raise RegistryError([*faults, *more])
    return registry


def _documents(root: Path, places: Places, faults: list[Fault]) -> Iterator[Document]:
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".yaml", ".yml")):
        document, found = read_document(path, str(path.relative_to(root)))
        faults += found
        if document is not None:
            yield document
        else:
            places.reject_unnamed(*_KINDS, "registry")


def _settings(documents: list[Document], places: Places, faults: list[Fault]) -> Settings:
    stated = [d for d in documents if isinstance(d.value, dict) and "registry" in d.value]
    if not stated and not places.is_broken("registry"):
        faults.append(Fault("registry.yaml", 0, "is missing", "it gives 'registry' (a name), 'zone' and 'currency'"))
    for extra in stated[1:]:
        first = f"first at {stated[0].file}:{stated[0].line(('registry',))}"
        faults.append(Fault(extra.file, extra.line(("registry",)), "the registry's settings are given twice", first))
    values = [(d, _validated(d, (), d.value, Settings, faults)) for d in stated]
    for document, value in values:
        if value is not None:
            places.accept("registry", value.registry, document, ())
            return value
    return _PLACEHOLDER


def _items(document: Document, places: Places, faults: list[Fault]) -> Iterator[tuple[str, Path_, Any]]:
    """(kind, path, value) of a document's definitions: lists under the plurals, or one definition as the whole file."""
    value, lists = document.value, [plural for plural, _ in _KINDS.values()]

    def refuse(path: Path_, message: str, hint: str, *kinds: str) -> None:
        faults.append(Fault(document.file, document.line(path), message, hint))
        places.reject_unnamed(*(kinds or _KINDS))

    if not isinstance(value, dict):
        refuse((), "is no mapping", "a registry file starts with keys such as 'metrics:'")
        return
    single = next((kind for kind in _KINDS if kind in value), None)
    if set(value) & set(lists):
        for extra in value:
            if extra not in lists:
                refuse((extra,), f"unknown key '{extra}'", did_you_mean(extra, lists))
    elif single and "registry" not in value:
        yield single, (), value
    elif value and "registry" not in value:
        first = next(iter(value))
        refuse((first,), f"'{first}' starts no definition", did_you_mean(first, {"registry", *lists, *_KINDS}))
    for kind, (plural, _) in _KINDS.items():
        listed = value.get(plural)
        if isinstance(listed, list):
            yield from ((kind, (plural, i), item) for i, item in enumerate(listed))
        elif listed is not None:
            refuse((plural,), f"'{plural}' is no list", "start each entry with '- '", kind)


def _take(
    document: Document, kind: str, path: Path_, item: Any, known: dict[str, Any], places: Places, faults: list[Fault]
) -> None:
    parsed = _validated(document, path, item, _KINDS[kind][1], faults)
    if parsed is None:
        name = item.get(kind) if isinstance(item, dict) else None
        if isinstance(name, str) and NAME.fullmatch(name):
            places.reject(kind, name)
        else:
            places.reject_unnamed(kind)
        return
    name = str(getattr(parsed, kind))
    if name in known:
        faults.append(
            Fault(
                document.file,
                document.line(path),
                f"{kind} '{name}' is defined twice",
                f"first at {places.of(kind, name)}",
            )
        )
    else:
        known[name] = parsed
        places.accept(kind, name, document, path)


def _validated(document: Document, path: Path_, value: Any, model: type[M], faults: list[Fault]) -> M | None:
    if not isinstance(value, dict):
        faults.append(Fault(document.file, document.line(path), "is no mapping of keys to values"))
        return None
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        for error in exc.errors():
            # '[key]' is how pydantic says that a key, not its value, is wrong
            where = tuple(part for part in error["loc"] if part != "[key]")
            # both are told already: what could not be read, and the bad entries without which a list is empty
            if (*path, *where) in document.unread or (error["type"] == "too_short" and error["input"]):
                continue
            message, hint = _explain(error, ".".join(str(w) for w in where), where, model)
            faults.append(Fault(document.file, document.line((*path, *where)), message, hint))
        return None


def _explain(error: Any, name: str, where: Path_, model: type[BaseModel]) -> tuple[str, str]:
    """Message and hint for one of pydantic's errors."""
    known: dict[str, Callable[[], tuple[str, str]]] = {
        "extra_forbidden": lambda: (f"unknown key '{name}'", did_you_mean(str(where[-1]), _keys_beside(where, model))),
        "missing": lambda: (f"'{name}' is missing", ""),
        "value_error": lambda: (f"{name}: {error['ctx']['error']}" if name else str(error["ctx"]["error"]), ""),
        "model_type": lambda: (f"'{name}' is no mapping of keys to values", ""),
        "too_short": lambda: (f"'{name}' is empty", ""),
        "string_too_short": lambda: (f"'{name}' is empty", ""),
    }
    return known.get(error["type"], lambda: (f"{name}: {error['msg'].lower()}, not {_short(error['input'])}", ""))()


def _keys_beside(where: Path_, model: type[BaseModel]) -> list[str]:
    """Keys that could stand where the unknown one stands: the model's own, or those of the model nested there."""
    here = model
    for part in where[:-1]:
        field = here.model_fields.get(str(part))
        nested = [
            t
            for t in _types_in(field.annotation if field else None)
            if isinstance(t, type) and issubclass(t, BaseModel)
        ]
        here = nested[0] if nested else here
    return list(here.model_fields)


def _types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _types_in(argument)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
