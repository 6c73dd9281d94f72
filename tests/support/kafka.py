"""A real Kafka for tests."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.broker import BrokerOptions, EmbeddedBroker
from deploy.topics import ensure_topics
from streams.connection import KafkaConnection


def start_broker(tmp_dir: Path, port: int = 0) -> EmbeddedBroker:
    """A broker over ``tmp_dir``, answering. Stop it, or end: it ends with this process."""
    broker = EmbeddedBroker(BrokerOptions(data_dir=tmp_dir, port=port))
    broker.start(lambda text: None)
    return broker


@dataclass(frozen=True)
class SharedKafka:
    """A broker that many tests use at once; each takes topics of its own."""

    bootstrap: str
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def connection(self) -> KafkaConnection:
        return KafkaConnection(self.bootstrap)

    def topic(self, prefix: str, partitions: int = 1) -> str:
        """Create a topic with a name nobody else has; return the name."""
        name = f"{prefix}-{next(self._numbers)}"
        ensure_topics(self.connection, {name: partitions})
        return name
