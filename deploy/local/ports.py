"""Which ports a machine's processes listen on: the usual ones where they are free, else free ones."""

import socket
from dataclasses import dataclass

from deploy.errors import OperatorError

LOOPBACK = "127.0.0.1"
KAFKA, STORE = 9092, 8123


@dataclass(frozen=True, slots=True)
class Ports:
    """Of Kafka and the store on 127.0.0.1 (0 takes a free one at the start), and of the api on its host."""

    kafka: int
    store: int
    api: int


class PortInUse(OperatorError):
    """Somebody else listens there."""


def usual(port: int) -> int:
    """``port`` where it is free on 127.0.0.1, else 0."""
    return port if is_free(LOOPBACK, port) else 0


def api_port(host: str, port: int, insist: bool) -> int:
    """``port`` if it is free (0: a free one); else a free one unless ``insist``. Raises PortInUse."""
    if port and is_free(host, port):
        return port
    if port and insist:
        raise PortInUse(
            f"port {port} on {host} is in use", "stop what uses it, or choose another with --port (0 takes a free one)"
        )
    with _socket(host) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise PortInUse(f"cannot listen on {host}: {error.strerror}", "correct api.host") from error
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with _socket(host) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
