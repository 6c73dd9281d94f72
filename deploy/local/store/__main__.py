"""``python -m deploy.local.store --data-dir D --port P``"""

import argparse
import sys
from pathlib import Path

from deploy.local.store import serve_store


def _ready(port: int) -> None:
    print(f"store ready on 127.0.0.1:{port}", flush=True)


def main() -> int:
    """Return the exit code of ``serve_store``."""
    parser = argparse.ArgumentParser(prog="store", description="ClickHouse's HTTP interface over an embedded engine")
    parser.add_argument("--data-dir", type=Path, required=True, help="directory of the data; made if it is not there")
    parser.add_argument("--port", type=int, default=8123, help="port on 127.0.0.1; 0 chooses a free one")
    arguments = parser.parse_args()
    return serve_store(arguments.data_dir, arguments.port, _ready)


if __name__ == "__main__":
    sys.exit(main())
