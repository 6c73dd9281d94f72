"""The Faust app of a worker: one agent per event of the registry, all feeding the lanes."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust

from metric_defs.registry import Registry
from streams.connection import KafkaConnection
from streams.lanes import LaneManager
from streams.transport import BatchSchema, install


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """How the worker takes part in its consumer group. Times are seconds."""

    group: str = "metricgrid"
    session_timeout_s: float = 10
    heartbeat_s: float = 2
    commit_interval_s: float = 1
    queued_batches: int = 8
    instance_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def build_app(
    registry: Registry, kafka: KafkaConnection, group: GroupOptions, manager: LaneManager, data_dir: Path
) -> faust.App:
    """A Faust app that reads every topic of the registry in batches. It is not started yet."""
    app = faust.App(
        group.group,
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        broker_session_timeout=group.session_timeout_s,
        broker_heartbeat_interval=group.heartbeat_s,
        broker_commit_interval=group.commit_interval_s,
        broker_max_poll_interval=86_400,  # fetching stops while the store is down; the group must not mistake that for death
        broker_check_crcs=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=group.instance_id,
        topic_disable_leader=True,
        topic_allow_declare=False,
        store="memory://",
        web_enabled=False,
        worker_redirect_stdouts=False,
        datadir=str(data_dir),
    )
    install(app, manager.on_restore, manager.on_revoke)
    for event in registry.events.values():
        _agent(app, event.event, event.topic, group.queued_batches, manager)
    return app


def _agent(app: faust.App, name: str, topic: str, queued_batches: int, manager: LaneManager) -> None:
    channel = app.topic(topic, schema=BatchSchema(), maxsize=queued_batches, internal=False)

    async def feed(stream: Any) -> None:
        async for event in stream.noack().events():
            await manager.accept(event)

    app.agent(channel, name=f"metricgrid.{name}")(feed)


def _credentials(kafka: KafkaConnection) -> Any:
    context = None
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=kafka.ca_file)
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=kafka.username, password=kafka.password, mechanism=kafka.sasl_mechanism, ssl_context=context
        )
    return faust.SSLCredentials(context) if context is not None else None
