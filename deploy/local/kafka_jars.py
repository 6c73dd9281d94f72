"""Apache Kafka's jars: resolved through jgo once, then taken from the local Maven repository without any network."""

import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.local.broker_error import BrokerError

KAFKA_VERSION = "4.4.0"
# The logging backend is not among Kafka's Maven dependencies; without it the log stays empty. "!" keeps log4j's own
# bill of materials from managing kafka-clients down to 3.9.
_ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!"


def cache_dir() -> Path:
    """Where what is derived from the jars is kept, per user: their list."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "metricgrid" / f"kafka-{KAFKA_VERSION}"


def resolve_classpath(report: Callable[[str], None]) -> str:
    """The class path of the broker. Downloads 45 jars (45 MB) on first use, telling ``report`` how far it is.

    Raises BrokerError when they are neither here nor within reach.
    """
    remembered = cache_dir() / "classpath.json"
    jars = _recall(remembered)
    if jars is None:
        report("resolving Kafka's jars (45 MB on first use)…")
        try:
            jars = _resolve(report)
        except ModuleNotFoundError as error:
            raise BrokerError(
                f"the embedded broker needs the package {error.name}",
                "install metricgrid with its extra 'local', or name a Kafka cluster of your own",
            ) from error
        except (OSError, RuntimeError, ValueError) as error:  # requests' errors are OSErrors
            raise BrokerError(
                f"Kafka's jars are not on this machine and could not be fetched from Maven Central: {_root_of(error)}",
                "connect to the network for the first start, or copy the Maven repository (~/.m2/repository, or what "
                "M2_REPO names) from a machine that has started the broker once",
            ) from error
        _remember(remembered, jars)
    return os.pathsep.join(str(jar) for jar in jars)


def _resolve(report: Callable[[str], None]) -> list[Path]:
    import jgo  # here: it takes 0.4 s, and is needed once

    artifacts = jgo.resolve(_ENDPOINT)
    jars: list[Path] = []
    shown_bytes = total_bytes = 0
    for number, artifact in enumerate(artifacts, 1):
        jars.append(_sound_jar(artifact))
        total_bytes += jars[-1].stat().st_size
        if total_bytes - shown_bytes > 8_000_000 or number == len(artifacts):
            shown_bytes = total_bytes
            report(f"resolving Kafka's jars: {number} of {len(artifacts)}, {total_bytes / 1e6:.0f} MB")
    return jars


def _sound_jar(artifact: Any) -> Path:
    """Path of the artifact's jar; one that an interrupted download left cut short is fetched again."""
    path = Path(artifact.resolve())
    if not zipfile.is_zipfile(path):  # a zip's directory is at its end, so a cut file has none
        path.unlink()
        path = Path(artifact.resolve())
        if not zipfile.is_zipfile(path):
            raise RuntimeError(f"{path.name} arrives damaged")
    return path


def _recall(file: Path) -> list[Path] | None:
    """The remembered jars, if every one of them still is what it was."""
    try:
        sizes: dict[str, int] = json.loads(file.read_text())
        if sizes and all(os.path.getsize(jar) == size for jar, size in sizes.items()):
            return [Path(jar) for jar in sizes]
    except (OSError, ValueError, AttributeError):
        pass
    return None


def _remember(file: Path, jars: list[Path]) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({str(jar): jar.stat().st_size for jar in jars}, indent=1))
        partial.replace(file)
    except OSError:  # a home that cannot be written: resolved again next time (0.6 s), nothing else is lost
        partial.unlink(missing_ok=True)


def _root_of(error: BaseException) -> str:
    """The innermost reason in one line; of a failed request only the host and what the system said."""
    text = next(iter(str(error).splitlines()), type(error).__name__)
    host = re.search(r"host='([^']+)'", text)
    if host is None:
        return text[:300]
    reason = text.rpartition(": ")[2].strip("()'\"")
    return f"{host[1]}: {reason}"
