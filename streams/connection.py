"""How to reach Kafka, said once and translated for each client library."""

from dataclasses import dataclass, field

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Address and credentials of a Kafka cluster.

    ``bootstrap``: ``host:port[,host:port…]``. ``ca_file``: path of a PEM file with the authorities to trust.
    Raises ValueError for settings that contradict each other. The password never shows in ``repr``.
    """

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        for server in self.bootstrap.split(","):
            _, colon, port = server.strip().rpartition(":")
            if not colon or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"Kafka address {server.strip()!r}: give host:port, several separated by commas")
        if self.security_protocol not in PROTOCOLS:
            raise ValueError(f"security protocol {self.security_protocol!r}: allowed are {', '.join(PROTOCOLS)}")
        wants_sasl = self.security_protocol.startswith("SASL_")
        if wants_sasl and not (self.sasl_mechanism and self.username and self.password):
            raise ValueError(f"{self.security_protocol} needs a SASL mechanism, a user name and a password")
        if not wants_sasl and (self.sasl_mechanism or self.username or self.password):
            raise ValueError(f"{self.security_protocol} takes no SASL settings: use SASL_PLAINTEXT or SASL_SSL")

    def librdkafka(self) -> dict[str, str]:
        """Settings for confluent-kafka's clients."""
        return _given(
            {
                "bootstrap.servers": self.bootstrap,
                "security.protocol": self.security_protocol,
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
                "ssl.ca.location": self.ca_file,
            }
        )

    def kafka_python(self) -> dict[str, object]:
        """Keyword arguments for kafka-python's clients."""
        settings = _given(
            {
                "security_protocol": self.security_protocol,
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
                "ssl_cafile": self.ca_file,
            }
        )
        servers = [server.strip() for server in self.bootstrap.split(",")]
        return {"bootstrap_servers": servers, **settings}


def _given(settings: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if value is not None}
