"""The bulk sender against a broker: all arrives once, keys stay together, failures are counted, absence is said."""

import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from deploy.feed.batch import Batch
from deploy.feed.errors import KafkaUnreachable, TopicMissing
from deploy.feed.pacing import Pacing
from deploy.feed.sender import Sender
from streams.connection import KafkaConnection

pytestmark = pytest.mark.kafka


def connection(broker: Any) -> KafkaConnection:
    return KafkaConnection(broker.bootstrap)


def read_all(broker: Any, topic: str, partitions: int) -> dict[int, list[Message]]:
    """Every record of a topic by partition, up to the end at the time of asking."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test-sender", "enable.auto.commit": False})
    found: dict[int, list[Message]] = defaultdict(list)
    try:
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in range(partitions)}
        consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
        deadline = time.monotonic() + 30
        while any(len(found[p]) < ends[p] for p in ends) and time.monotonic() < deadline:
            for message in consumer.consume(5_000, timeout=0.5):
                assert message.error() is None
                found[message.partition()].append(message)
    finally:
        consumer.close()
    return found


def batches(topic: str, count: int, size: int = 1_000) -> Iterator[Batch]:
    for begin in range(0, count, size):
        numbers = range(begin, min(begin + size, count))
        yield Batch(
            topic,
            [b"shop%d" % (n % 17) for n in numbers],
            [b'{"n":%d}' % n for n in numbers],
            [1_700_000_000_000 + n for n in numbers],
        )


def test_everything_arrives_once_and_a_key_stays_in_one_partition_in_order(broker: Any) -> None:
    topic = broker.topic("sender", 3)
    with Sender(connection(broker)) as sender:
        assert sender.check([topic]) == {topic: 3}
        report = sender.send(batches(topic, 20_000))
    assert (report.sent, report.confirmed, report.failed) == (20_000, 20_000, 0)
    found = read_all(broker, topic, 3)
    values = Counter(m.value() for messages in found.values() for m in messages)
    assert values == Counter(b'{"n":%d}' % n for n in range(20_000))
    partitions: dict[bytes, set[int]] = defaultdict(set)
    for partition, messages in found.items():
        last: dict[bytes, int] = {}
        for message in messages:
            number = int(message.value()[5:-1])
            assert last.get(message.key(), -1) < number
            last[message.key()] = number
            partitions[message.key()].add(partition)
    assert all(len(p) == 1 for p in partitions.values())
    assert len(partitions) == 17


def test_one_batch_may_go_to_several_topics(broker: Any) -> None:
    one, two = broker.topic("sender-a", 1), broker.topic("sender-b", 1)
    with Sender(connection(broker)) as sender:
        sender.check([one, two])
        sender.send([Batch([one, two, one], [b"k"] * 3, [b"1", b"2", b"3"], [0, 0, 0])])
    assert [m.value() for m in read_all(broker, one, 1)[0]] == [b"1", b"3"]
    assert [m.value() for m in read_all(broker, two, 1)[0]] == [b"2"]


def test_a_rate_is_kept(broker: Any) -> None:
    topic = broker.topic("sender-rate", 1)
    with Sender(connection(broker)) as sender:
        sender.check([topic])
        report = sender.send(batches(topic, 2_000), Pacing(rate=2_000))
    assert 0.95 <= report.seconds < 3.0


def test_event_time_sets_the_pace(broker: Any) -> None:
    topic = broker.topic("sender-speed", 1)
    with Sender(connection(broker)) as sender:
        sender.check([topic])
        report = sender.send(batches(topic, 2_001), Pacing(speed=2))
    assert 0.95 <= report.seconds < 3.0


def test_a_small_queue_makes_the_sender_wait_and_loses_nothing(broker: Any) -> None:
    topic = broker.topic("sender-small", 2)
    with Sender(connection(broker), overrides={"queue.buffering.max.messages": 500}) as sender:
        sender.check([topic])
        report = sender.send(batches(topic, 10_000))
    assert report.confirmed == 10_000
    assert sum(map(len, read_all(broker, topic, 2).values())) == 10_000


def test_a_record_too_large_is_counted_and_the_rest_arrives(broker: Any) -> None:
    topic = broker.topic("sender-large", 1)
    with Sender(connection(broker)) as sender:
        sender.check([topic])
        report = sender.send([Batch(topic, [b"k"] * 3, [b"1", b"x" * (17 << 20), b"3"], [0, 0, 0])])
    assert (report.sent, report.confirmed, report.failed) == (3, 2, 1)
    assert "size too large" in next(iter(report.failures)).lower()
    assert [m.value() for m in read_all(broker, topic, 1)[0]] == [b"1", b"3"]


def test_a_topic_that_is_not_there_is_named_and_not_made(broker: Any) -> None:
    with Sender(connection(broker)) as sender:
        for _ in range(2):
            with pytest.raises(TopicMissing, match=r"no topic no\.such\.topic"):
                sender.check(["no.such.topic"])


def test_no_broker_is_said_and_not_waited_for() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with Sender(KafkaConnection(address), give_up_after_s=1.0) as sender:
            with pytest.raises(KafkaUnreachable, match=address):
                sender.check(["t"], timeout_s=1.0)
            with pytest.raises(KafkaUnreachable, match="did not confirm"):
                sender.send(batches("t", 10))
