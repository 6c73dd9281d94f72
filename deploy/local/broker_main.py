"""The embedded broker as a process of its own, in the foreground."""

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from deploy.local.broker import BrokerOptions, EmbeddedBroker
from deploy.local.broker_error import BrokerError

READY_PREFIX = "broker ready on "
STOP_TIMEOUT_S = 30.0


class _Stop(BaseException):
    """SIGTERM or SIGINT came."""


def run_in_foreground(options: BrokerOptions) -> int:
    """Print ``broker ready on HOST:PORT`` when Kafka answers, stay until SIGTERM or SIGINT, return the exit code.

    Steps before that are printed as ``broker: …``, an error on stderr. Takes over both signals: main thread only.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    broker = EmbeddedBroker(options)
    try:
        broker.start(lambda text: print(f"broker: {text}", flush=True))
        print(f"{READY_PREFIX}{broker.bootstrap}", flush=True)
        while (code := broker.poll()) is None:
            time.sleep(0.2)
        print(f"Kafka ended by itself (exit code {code})\n{broker.last_words()}", file=sys.stderr, flush=True)
        return 1
    except BrokerError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except _Stop:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        broker.stop(STOP_TIMEOUT_S)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.broker_main", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--heap-mb", type=int, default=512)
    parser.add_argument("--message-max-bytes", type=int, default=16 * 1024 * 1024)
    given = parser.parse_args(arguments)
    return run_in_foreground(BrokerOptions(given.data_dir, given.port, given.heap_mb, given.message_max_bytes))


def _stop(number: int, frame: FrameType | None) -> None:
    # from here on a second signal must not interrupt the clean stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise _Stop


if __name__ == "__main__":
    sys.exit(main())
