"""What the doctor must ask for: the registry, Kafka, the store."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.doctor.finding import Finding
from deploy.settings import Settings
from deploy.store_trouble import trouble
from deploy.topics import KafkaUnreachable, TopicError, partition_counts
from deploy.wiring import registry_of, store_of
from metric_defs import Registry, RegistryError
from metric_defs.compile.ddl import create_statements
from sinks.clickhouse.client import ClickHouse, StoreConnection
from sinks.errors import StoreError, StoreRejected

TIMEOUT_S = 3.0


def registry(settings: Settings) -> tuple[Registry | None, Finding]:
    """The definitions, if they can be used."""
    where = str(settings.registry.dir or "built in")
    try:
        found = registry_of(settings)
    except RegistryError as error:
        count = len(error.faults)
        text = f"{where}: {count} fault{'s' * (count != 1)}, the first: {error.faults[0]}"
        return None, Finding("fail", "registry", text, "'metricgrid registry check' lists all of them")
    counts = f"{len(found.events)} events, {len(found.metrics)} metrics, {len(found.cubes)} cubes"
    return found, Finding("ok", "registry", f"{where}: {counts}, fingerprint {found.fingerprint}")


def kafka(settings: Settings, definitions: Registry | None) -> Iterator[Finding]:
    """Does it answer, and are the registry's topics there."""
    connection = settings.kafka.connection()
    try:
        counts = partition_counts(connection, timeout_s=TIMEOUT_S)
    except (KafkaUnreachable, TopicError) as error:
        yield Finding("fail", "kafka", error.what, error.hint)
        return
    yield Finding("ok", "kafka", f"{connection.bootstrap} answers, {len(counts)} topics")
    for event in definitions.events.values() if definitions else ():
        if event.topic in counts:
            yield Finding("ok", f"topic {event.topic}", f"{counts[event.topic]} partitions")
        else:
            hint = "'metricgrid topics create' creates it"
            yield Finding("fail", f"topic {event.topic}", "does not exist", hint)


def store(settings: Settings, definitions: Registry | None) -> Iterator[Finding]:
    """Does it answer, which version, and do its tables fit the registry."""
    connection = store_of(settings)
    try:
        version = _version(connection)
    except StoreError as error:
        hint = "check clickhouse.url, user name and password; 'metricgrid store' runs one on this machine"
        yield Finding("fail", "clickhouse", trouble(error), hint)
        return
    yield Finding("ok", "clickhouse", f"{connection.url} answers, version {version}")
    migrate = "'metricgrid migrate' brings the store up to the registry"
    try:
        tables = _tables(connection)
    except StoreRejected as error:
        yield Finding("fail", "tables", f"the database '{connection.database}' cannot be read: {error}", migrate)
        return
    except StoreError as error:
        yield Finding("fail", "tables", trouble(error), "try again")
        return
    wanted = [s.split("EXISTS ", 1)[1].split(" ", 1)[0] for s in create_statements(definitions)] if definitions else []
    missing = [table for table in wanted if table not in tables]
    if missing:
        yield Finding("fail", "tables", f"missing: {', '.join(missing)}", migrate)
    else:
        yield Finding("ok", "tables", f"{len(wanted)} in the database '{connection.database}'")


def _version(connection: StoreConnection) -> str:
    client = ClickHouse(_quick(connection, "default"))
    try:
        return str(client.rows("SELECT version()")[0][0])
    finally:
        client.close()


def _tables(connection: StoreConnection) -> set[str]:
    client = ClickHouse(_quick(connection, connection.database))
    try:
        return {
            str(name) for (name,) in client.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")
        }
    finally:
        client.close()


def _quick(connection: StoreConnection, database: str) -> StoreConnection:
    from dataclasses import replace

    return replace(connection, database=database, connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S)
