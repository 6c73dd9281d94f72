"""What the embedded broker is told."""

import uuid

from deploy.local.broker_files import cluster_id, settings
from deploy.local.broker_ports import BrokerPorts


def test_a_cluster_id_never_looks_like_an_option() -> None:
    ids = [cluster_id(uuid.UUID(bytes=bytes([first]) + b"\xf8" * 15)) for first in range(256)]
    assert not any(text.startswith("-") for text in ids)
    assert {len(text) for text in ids} == {22}


def test_only_loopback_listens_and_nothing_is_deleted() -> None:
    told = settings(BrokerPorts(client=1111, controller=2222), "data", 5_000_000)
    assert told["listeners"] == "PLAINTEXT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert told["log.retention.ms"] == told["log.retention.bytes"] == -1
    assert told["auto.create.topics.enable"] == "false"
    assert told["message.max.bytes"] == told["replica.fetch.max.bytes"] == 5_000_000
