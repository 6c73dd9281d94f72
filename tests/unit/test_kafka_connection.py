"""One connection, said in each client's words."""

import pytest

from streams.connection import KafkaConnection


def test_plain() -> None:
    kafka = KafkaConnection("a:9092, b:9093")
    assert kafka.librdkafka() == {"bootstrap.servers": "a:9092, b:9093", "security.protocol": "PLAINTEXT"}
    assert kafka.kafka_python() == {"bootstrap_servers": ["a:9092", "b:9093"], "security_protocol": "PLAINTEXT"}


def test_sasl_over_tls() -> None:
    kafka = KafkaConnection("a:9092", "SASL_SSL", "SCRAM-SHA-512", "worker", "hidden", "/ca.pem")
    assert kafka.librdkafka() == {
        "bootstrap.servers": "a:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "worker",
        "sasl.password": "hidden",
        "ssl.ca.location": "/ca.pem",
    }
    assert kafka.kafka_python() == {
        "bootstrap_servers": ["a:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": "hidden",
        "ssl_cafile": "/ca.pem",
    }
    assert "hidden" not in repr(kafka)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("localhost",), "give host:port"),
        (("a:9092,",), "give host:port"),
        (("a:70000",), "give host:port"),
        (("a:9092", "TLS"), "allowed are PLAINTEXT"),
        (("a:9092", "SASL_SSL"), "needs a SASL mechanism"),
        (("a:9092", "SSL", None, "worker"), "takes no SASL settings"),
    ],
)
def test_contradictions(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KafkaConnection(*arguments)
