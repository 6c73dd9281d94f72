"""What runs on a data directory now: addresses written down by ``up``, read by commands typed beside it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from deploy.local.datadir import is_alive

FILE_NAME = "instance.json"


def announce_instance(data_dir: Path, values: Mapping[str, str]) -> None:
    """Write dotted settings (addresses, registry) of the instance that this process is. Raises OSError."""
    file = data_dir / FILE_NAME
    partial = file.with_name(f"{FILE_NAME}.{os.getpid()}")
    partial.write_text(json.dumps({"pid": os.getpid(), "settings": dict(values)}, indent=1) + "\n")
    partial.replace(file)


def withdraw_instance(data_dir: Path) -> None:
    """The instance has ended."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def running_instance(data_dir: Path) -> dict[str, str]:
    """Dotted settings of the instance on ``data_dir``; empty when none runs, whatever a crashed one left there."""
    try:
        stated = json.loads((data_dir.expanduser() / FILE_NAME).read_text())
        if is_alive(int(stated["pid"])):
            return {str(key): str(value) for key, value in stated["settings"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}
