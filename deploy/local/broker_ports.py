"""The embedded broker's ports: which are free, and does Kafka answer there."""

import socket
from dataclasses import dataclass

from deploy.local.broker_error import BrokerError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """Two free ports of the loopback interface: clients talk to one, the broker to itself on the other."""

    client: int
    controller: int


def free_ports(port: int) -> BrokerPorts:
    """``port`` (0: a free one) for clients and one for the controller. Raises BrokerError if ``port`` is taken."""
    with socket.socket() as client, socket.socket() as controller:
        # java opens its port with this option too: a connection of the last run that is still closing does not count
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            client.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise BrokerError(
                f"port {port} on {HOST} cannot be opened for Kafka: {getattr(error, 'strerror', None) or error}",
                "stop what uses it, or choose another port (0 takes a free one)",
            ) from error
        controller.bind((HOST, 0))
        return BrokerPorts(client.getsockname()[1], controller.getsockname()[1])


def answers(bootstrap: str) -> bool:
    """Whether a Kafka at ``bootstrap`` names at least one broker that is in service (waits at most 1 s)."""
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    quiet = {"bootstrap.servers": bootstrap, "log_level": 0}
    try:
        return bool(AdminClient(quiet).list_topics(timeout=1).brokers)
    except KafkaException:
        return False
