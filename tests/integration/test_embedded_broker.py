"""The embedded broker as its users meet it: real java, real clients, real signals."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from deploy.local.broker import BrokerOptions, EmbeddedBroker
from deploy.local.broker_error import BrokerError
from deploy.local.broker_ports import answers
from deploy.local.datadir import is_alive
from deploy.topics import KafkaUnreachable, TopicError, ensure_topics, topic_ends
from streams.connection import KafkaConnection
from tests.support.kafka import SharedKafka, start_broker
from tests.support.wait import wait_until

pytestmark = pytest.mark.kafka


def test_what_is_produced_is_consumed(broker: SharedKafka) -> None:
    topic = broker.topic("echo", partitions=2)
    values = [f"记录 {n}".encode() for n in range(500)] + [b"x" * 12_000_000]

    _produce(broker.bootstrap, topic, values)

    assert sorted(_consume(broker.bootstrap, topic, len(values))) == sorted(values)
    ends = topic_ends(broker.connection, [topic])
    assert set(ends) == {(topic, 0), (topic, 1)}
    assert sum(end - first for first, end in ends.values()) == len(values)


def test_topics_are_made_once(broker: SharedKafka) -> None:
    kafka, prefix = broker.connection, broker.topic("once")

    assert ensure_topics(kafka, {f"{prefix}-a": 4, f"{prefix}-b": 1}, {"max.message.bytes": "2000000"}) == [
        f"{prefix}-a",
        f"{prefix}-b",
    ]
    assert ensure_topics(kafka, {f"{prefix}-a": 3, f"{prefix}-c": 1}) == [f"{prefix}-c"]
    with pytest.raises(TopicError, match=f"{prefix}-a has 4, wanted 5"):
        ensure_topics(kafka, {f"{prefix}-a": 5, f"{prefix}-d": 1})
    with pytest.raises(TopicError, match=f"no such topic at {kafka.bootstrap}: {prefix}-d"):
        topic_ends(kafka, [f"{prefix}-a", f"{prefix}-d"])
    with pytest.raises(TopicError, match="did not create topic"):
        ensure_topics(kafka, {f"{prefix}-d": 1}, {"no.such.setting": "1"})


def test_no_kafka_at_the_address_is_said_in_time() -> None:
    kafka = KafkaConnection(f"127.0.0.1:{_free_port()}")
    began = time.monotonic()

    with pytest.raises(KafkaUnreachable, match=f"no Kafka answers at {kafka.bootstrap} within 1 s"):
        ensure_topics(kafka, {"orders": 1}, timeout_s=1)
    with pytest.raises(KafkaUnreachable, match=kafka.bootstrap):
        topic_ends(kafka, ["orders"], timeout_s=1)

    assert time.monotonic() - began < 6


def test_data_survive_a_restart_and_a_killed_java(tmp_path: Path) -> None:
    first = start_broker(tmp_path)
    ensure_topics(KafkaConnection(first.bootstrap), {"orders": 1})
    _produce(first.bootstrap, "orders", [b"1", b"2"])
    first.stop(timeout_s=20)

    second = start_broker(tmp_path)
    assert _consume(second.bootstrap, "orders", 2) == [b"1", b"2"]
    _produce(second.bootstrap, "orders", [b"3"])
    os.kill(second.pid, signal.SIGKILL)
    assert wait_until(second.poll, 5, "java is gone") == -signal.SIGKILL
    second.stop(timeout_s=0)

    third = start_broker(tmp_path)
    assert _consume(third.bootstrap, "orders", 3) == [b"1", b"2", b"3"]
    third.stop(timeout_s=20)


def test_a_directory_has_one_broker_and_is_free_once_it_was_killed(tmp_path: Path) -> None:
    process, bootstrap = _run(tmp_path)
    _, java = _holders(tmp_path)

    began = time.monotonic()
    second = subprocess.run(_command(tmp_path), capture_output=True, text=True, check=False)
    assert time.monotonic() - began < 3
    assert second.returncode == 1
    assert f"{tmp_path} is in use by process {process.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert answers(bootstrap)

    process.kill()
    process.wait()
    # java may still be shutting down: the next one waits for it instead of failing
    process, bootstrap = _run(tmp_path)
    assert not is_alive(java)
    assert answers(bootstrap)

    _, java = _holders(tmp_path)
    process.terminate()
    assert process.wait(20) == 0
    assert not is_alive(java)
    assert (tmp_path / "broker.lock").read_text() == ""


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = EmbeddedBroker(BrokerOptions(data_dir=tmp_path, port=port))
        with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 cannot be opened"):
            broker.start(lambda text: None)
    assert (tmp_path / "broker.lock").read_text() == ""


def test_java_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    said: list[str] = []
    broker = EmbeddedBroker(BrokerOptions(data_dir=tmp_path, heap_mb=1))

    with pytest.raises(BrokerError, match="Kafka ended while starting") as caught:
        broker.start(said.append)

    assert "heap" in caught.value.what  # java's own words, from the log
    assert "--heap-mb" in caught.value.hint
    assert any("formatted" in text for text in said)
    assert broker.poll() is None
    assert (tmp_path / "broker.lock").read_text() == ""


def test_no_jars_and_no_network_is_said(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{_free_port()}"
    alone = {"M2_REPO": str(tmp_path / "m2"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HTTPS_PROXY": nowhere}

    done = subprocess.run(
        _command(tmp_path / "data"),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **alone},
    )

    assert done.returncode == 1
    assert "could not be fetched from Maven Central" in done.stderr
    assert "hint: connect to the network" in done.stderr
    assert "Traceback" not in done.stderr


def _command(data_dir: Path) -> list[str]:
    return [sys.executable, "-m", "deploy.local.broker_main", "--data-dir", str(data_dir), "--port", "0"]


def _run(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
    """A broker process and its address, once it says it is ready."""
    process = subprocess.Popen(_command(data_dir), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("broker ready on "):
            return process, line.split()[-1]
    raise AssertionError(f"the broker ended with {process.wait()}")


def _holders(data_dir: Path) -> list[int]:
    return [int(pid) for pid in (data_dir / "broker.lock").read_text().split()]


def _produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 16_000_000, "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0


def _consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    settings = {"bootstrap.servers": bootstrap, "group.id": f"test-{topic}-{time.monotonic_ns()}", "log_level": 0}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values: list[bytes] = []

    def enough() -> bool:
        for message in consumer.consume(count - len(values), timeout=0.2):
            assert message.error() is None, message.error()
            values.append(message.value())
        return len(values) >= count

    try:
        wait_until(enough, 20, f"{count} records of {topic}")
    finally:
        consumer.close()
    return values


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
