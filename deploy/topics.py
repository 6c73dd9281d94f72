"""Topics of a Kafka cluster: create them, and see how far they reach."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from kafka import KafkaAdminClient
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from deploy.errors import OperatorError
from streams.connection import KafkaConnection

_UNREACHABLE_HINT = (
    "check that Kafka runs there and that the address, the security protocol and the firewall are right "
    "(`metricgrid broker` starts one on this machine)"
)


class KafkaUnreachable(OperatorError):
    """No broker answered at the address within the time given."""


class TopicError(OperatorError):
    """Kafka answered, but a topic is not as it must be or could not be made so."""


def ensure_topics(
    kafka: KafkaConnection,
    partitions: Mapping[str, int],
    config: Mapping[str, str] | None = None,
    *,
    replication_factor: int = -1,
    timeout_s: float = 30.0,
) -> list[str]:
    """Create the topics of ``partitions`` (name -> number) that do not exist yet; return the names created, sorted.

    ``config``: topic settings for the new ones; ``replication_factor`` -1 is the cluster's default. Returns when every
    topic has its leaders. A topic with more partitions than asked is fine; fewer is a TopicError that lists all of them
    (before anything is created), for adding partitions moves keys. Raises KafkaUnreachable.
    """
    wanted = dict(partitions)
    with _admin(kafka, timeout_s) as admin:
        existing = _partition_counts(admin)
        few = [f"{t} has {existing[t]}, wanted {n}" for t, n in sorted(wanted.items()) if existing.get(t, n) < n]
        if few:
            raise TopicError(
                f"topics at {kafka.bootstrap} have too few partitions: {'; '.join(few)}",
                "ask for fewer, or create the topic anew: adding partitions later would move keys between them",
            )
        created = [
            topic
            for topic in sorted(wanted.keys() - existing.keys())
            if _create(admin, kafka, topic, wanted[topic], config or {}, replication_factor, timeout_s)
        ]
        admin.wait_for_topics(sorted(wanted), timeout_ms=int(timeout_s * 1000))
    return created


def topic_ends(
    kafka: KafkaConnection, topics: Iterable[str], *, timeout_s: float = 10.0
) -> dict[tuple[str, int], tuple[int, int]]:
    """(topic, partition) -> (first offset still kept, offset the next record will get); equal when empty.

    Raises TopicError naming the topics that do not exist, and KafkaUnreachable.
    """
    names = sorted(set(topics))
    client = AdminClient({**kafka.librdkafka(), "log_level": 0})
    try:
        # all topics in one request: asking for one by name would create it on brokers that allow that
        known = client.list_topics(timeout=timeout_s).topics
        missing = [name for name in names if name not in known]
        if missing:
            raise TopicError(
                f"no such topic at {kafka.bootstrap}: {', '.join(missing)}",
                "create it (`metricgrid topics create`), or correct the name in the registry",
            )
        parts = [(name, partition) for name in names for partition in sorted(known[name].partitions)]
        firsts = _offsets(client, parts, OffsetSpec.earliest, timeout_s)
        ends = _offsets(client, parts, OffsetSpec.latest, timeout_s)
    except KafkaException as error:
        raise _unreachable(kafka, timeout_s, error.args[0].str()) from error
    return {part: (firsts[part], ends[part]) for part in parts}


def partition_counts(kafka: KafkaConnection, *, timeout_s: float = 10.0) -> dict[str, int]:
    """Topic -> number of partitions, of all topics this user sees. Raises KafkaUnreachable or TopicError."""
    with _admin(kafka, timeout_s) as admin:
        return _partition_counts(admin)


@contextmanager
def _admin(kafka: KafkaConnection, timeout_s: float) -> Iterator[KafkaAdminClient]:
    """A kafka-python admin client whose failures to reach Kafka come out as KafkaUnreachable."""
    timeout_ms = int(timeout_s * 1000)
    with _silenced("kafka"):  # it logs every attempt of a connection that we report once, in our words
        try:
            admin = KafkaAdminClient(
                **kafka.kafka_python(), bootstrap_timeout_ms=timeout_ms, request_timeout_ms=timeout_ms
            )
            try:
                yield admin
            finally:
                admin.close()
        except KafkaError as error:
            if isinstance(error, AuthorizationError):
                raise TopicError(
                    f"{kafka.bootstrap} refuses: {error}", "give this user the rights on the topics"
                ) from error
            raise _unreachable(kafka, timeout_s, str(error)) from error


def _partition_counts(admin: KafkaAdminClient) -> dict[str, int]:
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}


def _create(
    admin: KafkaAdminClient,
    kafka: KafkaConnection,
    topic: str,
    partitions: int,
    config: Mapping[str, str],
    replication_factor: int,
    timeout_s: float,
) -> bool:
    """Whether we created it; False if somebody else did in the meantime."""
    wish = {"num_partitions": partitions, "replication_factor": replication_factor, "configs": dict(config)}
    try:
        admin.create_topics({topic: wish}, timeout_ms=int(timeout_s * 1000))
    except TopicAlreadyExistsError:
        return False
    except (KafkaTimeoutError, AuthorizationError):
        raise
    except KafkaError as error:
        raise TopicError(
            f"{kafka.bootstrap} did not create topic {topic} ({partitions} partitions): {error}",
            "correct the name, the partition count or the topic settings",
        ) from error
    return True


def _offsets(
    client: AdminClient, parts: list[tuple[str, int]], at: Callable[[], Any], timeout_s: float
) -> dict[tuple[str, int], int]:
    if not parts:
        return {}
    asked = {TopicPartition(topic, partition): at() for topic, partition in parts}
    answers = client.list_offsets(asked, request_timeout=timeout_s)
    return {(part.topic, part.partition): future.result().offset for part, future in answers.items()}


def _unreachable(kafka: KafkaConnection, timeout_s: float, reason: str) -> KafkaUnreachable:
    return KafkaUnreachable(
        f"no Kafka answers at {kafka.bootstrap} within {timeout_s:g} s ({reason})", _UNREACHABLE_HINT
    )


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.disabled, logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.disabled, logger.level = before
