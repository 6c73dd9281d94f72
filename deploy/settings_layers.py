"""Where settings come from: flag > environment > file > running instance > default, with every fault said at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as BadEnvironment

from deploy.errors import CONFIGURATION, OperatorError
from deploy.local.instance import running_instance
from deploy.settings import NESTING, PREFIX, Effective, Settings, env_name, keys
from metric_defs.faults import did_you_mean

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_FILES = ("metricgrid.yaml", "metricgrid.toml")
ALIASES = {"KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrap", "CLICKHOUSE_URL": "clickhouse.url"}
"""Names other tools use, taken where nothing of ours says otherwise."""
SECRETS = ("kafka.password", "clickhouse.password")
PATHS = ("data_dir", "registry.dir", "kafka.ca_file", "clickhouse.ca_file")

Layer = dict[str, tuple[Any, str]]
"""Dotted key -> (value, where it was said)."""


class SettingsError(OperatorError):
    """Settings that cannot be used; the text has a line for each fault."""

    exit_code = CONFIGURATION

    def __init__(self, faults: list[str]) -> None:
        hint = "'metricgrid config show' lists every setting; a flag beats the environment, which beats the file"
        super().__init__("the settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults), hint)
        self.faults = tuple(faults)


def load_settings(flags: Mapping[str, object], config: Path | None = None) -> Effective:
    """Merge all layers. ``flags``: dotted key -> value, None where not given. Raises SettingsError with every fault."""
    faults: list[str] = []
    given: Layer = {key: (value, "command line") for key, value in flags.items() if value is not None}
    layers = [given, *_environment(faults), _file(config, faults), _aliases()]
    merged: Layer = {}
    for layer in layers:
        merged = {**layer, **merged}
    merged = {**_instance(merged), **merged}
    faults += _unknown(merged)
    known = {key: value for key, value in merged.items() if keys().get(key, "no") is None}
    try:
        settings = Settings(**_nested(known))
    except ValidationError as error:
        faults += _explained(error, merged)
    if faults:
        raise SettingsError(faults)
    return Effective(settings, {key: origin for key, (_, origin) in known.items()})


def _environment(faults: list[str]) -> tuple[Layer, Layer]:
    """METRICGRID_… variables, and secrets that METRICGRID_…_FILE names a file of."""
    files = {f"{env_name(key)}_FILE": key for key in SECRETS}
    try:
        stated = _flattened(EnvSettingsSource(Settings)())
    except BadEnvironment as error:
        faults.append(
            f"environment: {_one_line(error)}: set each value by a variable of its own, as 'config show' does"
        )
        stated = {}
    layer: Layer = {
        key: (value, f"environment variable {env_name(key)}")
        for key, value in stated.items()
        if env_name(key) not in files
    }
    names = [env_name(key) for key in keys()]
    for name in sorted(n for n in os.environ if n.upper().startswith(PREFIX)):
        top = name.upper().removeprefix(PREFIX).split(NESTING)[0].lower()
        if name.upper() not in {*names, *files, CONFIG_VARIABLE} and keys().get(top) is None:
            word = name.upper().removeprefix(PREFIX)
            # their common beginning is no likeness
            hint = did_you_mean(word, [n.removeprefix(PREFIX) for n in names]).replace("'", f"'{PREFIX}", 1)
            faults.append(f"environment variable {name}: unknown setting" + (f" ({hint})" if hint else ""))
    secrets: Layer = {}
    for name, key in files.items():
        path = os.environ.get(name)
        if path:
            try:
                secrets[key] = (Path(path).read_text().rstrip("\r\n"), f"file {path} (named by {name})")
            except (OSError, UnicodeDecodeError) as error:
                faults.append(f"environment variable {name}: {path} cannot be read: {_reason(error)}")
    return layer, {key: value for key, value in secrets.items() if key not in layer}


def _file(config: Path | None, faults: list[str]) -> Layer:
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    path = named or next((Path(name) for name in DEFAULT_FILES if Path(name).is_file()), None)
    if path is None:
        return {}
    try:
        text = path.read_text()
        values = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path}: cannot be read: {_reason(error)}")
        return {}
    except (yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{path}: is no {'TOML' if path.suffix == '.toml' else 'YAML'}: {_one_line(error)}")
        return {}
    if values is not None and not isinstance(values, dict):
        faults.append(f"{path}: is no mapping of settings; start with a group such as 'kafka:'")
        return {}
    layer: Layer = {}
    for key, value in _flattened(values or {}).items():
        # a path in a file is meant from where the file is, not from where the command is typed
        placed = str(path.parent / Path(value).expanduser()) if key in PATHS and isinstance(value, str) else value
        layer[key] = (placed, f"{path}")
    return layer


def _aliases() -> Layer:
    return {
        key: (os.environ[name], f"environment variable {name}") for name, key in ALIASES.items() if os.environ.get(name)
    }


def _instance(merged: Layer) -> Layer:
    """Addresses of what runs on the data directory now, so that 'status' or 'audit' beside 'up' need no flags."""
    data_dir = Path(str(merged.get("data_dir", (Settings.model_fields["data_dir"].default, ""))[0]))
    found = running_instance(data_dir)
    return {key: (value, f"the instance running on {data_dir}") for key, value in found.items()}


def _flattened(values: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; a mapping is opened only where a group is declared (or nothing is)."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and keys().get(key, "unknown") is not None:
            found |= _flattened(value, f"{key}.") or ({} if key in keys() else {key: value})
        elif not (value is None and keys().get(key)):  # 'kafka:' with nothing below it says nothing
            found[key] = value
    return found


def _nested(layer: Layer) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, (value, _) in layer.items():
        *groups, name = key.split(".")
        here = tree
        for group in groups:
            here = here.setdefault(group, {})
        here[name] = value
    return tree


def _unknown(merged: Layer) -> list[str]:
    """Keys nobody declared, and values where a group is meant."""
    known = keys()
    faults = []
    for key, (_, origin) in merged.items():
        if key not in known:
            group = key.rpartition(".")[0]
            near = [k for k in known if k.rpartition(".")[0] == group] if group in known else list(known)
            hint = did_you_mean(key, near)
            faults.append(f"{origin}: unknown setting '{key}'" + (f" ({hint})" if hint else ""))
        elif (group_model := known[key]) is not None:
            example = next(iter(group_model.model_fields))
            faults.append(f"{origin}: '{key}' is a group of settings, such as {key}.{example}")
    return faults


def _explained(error: ValidationError, merged: Layer) -> list[str]:
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        said = [origin for k, (_, origin) in merged.items() if k == key or k.startswith(f"{key}.")]
        secret = any(key == name or name.startswith(f"{key}.") for name in SECRETS)
        shown = "" if secret or isinstance(fault["input"], dict) else f", not {fault['input']!r}"
        cause = fault.get("ctx", {}).get("error")
        message = str(cause) if cause else fault["msg"][:1].lower() + fault["msg"][1:] + shown
        faults.append(f"{' and '.join(dict.fromkeys(said)) or 'default'}: {key}: {message}")
    return faults


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
