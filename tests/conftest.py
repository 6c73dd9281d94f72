"""Fixtures for every test."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import SharedKafka, start_broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedKafka]:
    """One Kafka for the whole session, started by the first test that asks for it."""
    kafka = start_broker(tmp_path_factory.mktemp("kafka"))
    try:
        yield SharedKafka(kafka.bootstrap)
    finally:
        kafka.stop(timeout_s=30)
