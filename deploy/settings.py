"""Every setting of every process, typed, with its default; where a value comes from is ``settings_layers``' matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streams.connection import KafkaConnection

PREFIX = "METRICGRID_"
NESTING = "__"


class Group(BaseModel):
    """Base of the groups: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Group):
    """How to reach Kafka."""

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.connection()
        return self

    def connection(self) -> KafkaConnection:
        """As the clients take it. Raises ValueError for settings that contradict each other."""
        return KafkaConnection(
            bootstrap=self.bootstrap,
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism,
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
            ca_file=str(self.ca_file) if self.ca_file else None,
        )


class ClickHouseSettings(Group):
    """How to reach the store: a ClickHouse server or the embedded one, by its HTTP interface."""

    url: str = "http://127.0.0.1:8123"
    database: str = Field(default="metricgrid", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    username: str = "default"
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        url = urlsplit(value)
        try:
            fine = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            fine = False
        if not fine or url.username or url.password or url.path.strip("/") or url.query:
            raise ValueError(
                f"{_without_credentials(value)!r} is no address of ClickHouse's HTTP interface; write http://HOST:8123 "
                "or https://HOST:8443, and user name, password and database as settings of their own"
            )
        return value


class RegistrySettings(Group):
    """Where the definitions are; no ``dir``: the catalogue that comes with the package."""

    dir: Path | None = None


class ApiSettings(Group):
    """The HTTP service. ``tick_ms``: how often the store is looked at; ``stale_after_ms``: age at which data is old."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    tick_ms: int = Field(default=250, ge=20, le=60_000)
    stale_after_ms: int = Field(default=30_000, ge=100)


class WorkerSettings(Group):
    """The stream worker. ``budget_mb``: bound of what waits for the store; ``instance_id``: of a static member."""

    group: str = Field(default="metricgrid", min_length=1)
    flush_interval_ms: int = Field(default=1000, ge=10, le=60_000)
    full_records: int = Field(default=100_000, ge=1)
    budget_mb: int = Field(default=256, ge=16)
    session_timeout_s: float = Field(default=10, ge=1, le=300)
    instance_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,200}$")


class TopicSettings(Group):
    """How topics are created. ``replication`` -1: the cluster's default."""

    partitions: int = Field(default=2, ge=1, le=10_000)
    replication: int = Field(default=-1, ge=-1, le=100)


class Settings(BaseSettings):
    """All settings together, as one process sees them. Build it with ``settings_layers.load_settings``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTING, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    registry: RegistrySettings = RegistrySettings()
    api: ApiSettings = ApiSettings()
    worker: WorkerSettings = WorkerSettings()
    topics: TopicSettings = TopicSettings()
    data_dir: Path = Path("data")
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """One source: the layers, merged already, so that each value's origin is known."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Effective:
    """Settings and, per dotted key, where the value came from ('default' where nobody said anything)."""

    settings: Settings
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from."""
        return self.origins.get(key, "default")


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> dict[str, type[BaseModel] | None]:
    """Dotted key -> None for a value, the model for a group, in order of declaration."""
    found: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found[f"{prefix}{name}"] = kind
            found |= keys(kind, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = None
    return found


def flat(settings: Settings) -> dict[str, object]:
    """Dotted key -> value; secrets stay hidden inside SecretStr."""
    values: dict[str, object] = {}
    for key, group in keys().items():
        if group is None:
            value: object = settings
            for part in key.split("."):
                value = getattr(value, part)
            values[key] = value
    return values


def env_name(key: str) -> str:
    """Name of the environment variable of a dotted key."""
    return PREFIX + key.replace(".", NESTING).upper()


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, secrets included: what a child process is started with."""
    plain = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value
        for key, value in flat(settings).items()
    }
    return {env_name(key): str(value) for key, value in plain.items() if value is not None and value != ""}


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}…@{rest.rpartition('@')[2]}" if "@" in rest else url
