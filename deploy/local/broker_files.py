"""What the embedded Kafka reads from disk: its settings, its logging, its formatted storage."""

import base64
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from deploy.local.broker_error import BrokerError
from deploy.local.broker_ports import BrokerPorts
from deploy.local.java import LOGGING_FILE, SCRATCH_DIR, java_command, java_environment
from deploy.local.lifetime import die_with_parent

_FOREVER_MS = 2**63 - 1


class BrokerFiles:
    """The files below ``data_dir/kafka``."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "kafka"
        self.storage = self.root / "data"
        self.log = self.root / "broker.log"
        self.settings = self.root / "server.properties"
        self.logging = self.root / LOGGING_FILE
        self.scratch = self.root / SCRATCH_DIR

    def write(self, ports: BrokerPorts, message_max_bytes: int) -> None:
        """Settings and logging for a start on ``ports``. Raises OSError."""
        self.root.mkdir(exist_ok=True)
        shutil.rmtree(self.scratch, ignore_errors=True)  # native libraries that a killed broker left unpacked
        self.scratch.mkdir()
        self.logging.write_text(_LOGGING)
        self.settings.write_text(_properties(settings(ports, self.storage.name, message_max_bytes)))

    def format_storage(self, classpath: str) -> None:
        """Format the storage (about 1 s); call it only while ``storage`` does not exist.

        The work is done beside and renamed at the end, so a format that was cut short is simply done again.
        Raises BrokerError with the tool's own words.
        """
        fresh = self.storage.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh_settings = self.root / "format.properties"
        ports = BrokerPorts(9092, 9093)  # the tool checks that listeners are well formed; formatting opens none
        fresh_settings.write_text(_properties(settings(ports, fresh.name, 1_048_576)))
        tool = ("kafka.tools.StorageTool", "format", "-t", cluster_id(uuid.uuid4()), "-c", fresh_settings.name)
        try:
            done = subprocess.run(
                java_command(classpath, heap_mb=128) + tool,
                cwd=self.root,
                env=java_environment(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                preexec_fn=die_with_parent,
            )
        except subprocess.TimeoutExpired as error:
            raise BrokerError(
                "formatting Kafka's storage took over 120 s", "see what keeps this machine busy"
            ) from error
        if done.returncode:
            raise BrokerError(
                f"formatting Kafka's storage in {fresh} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}",
                "check the disk, or name another directory with --data-dir",
            )
        os.replace(fresh, self.storage)
        fresh_settings.unlink()

    def log_since(self, offset: int, lines: int = 15) -> str:
        """The last ``lines`` of the log after byte ``offset``."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(offset, self.log.stat().st_size - 64 * 1024))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def cluster_id(random: uuid.UUID) -> str:
    """Kafka's spelling of an id: base64 for URLs; never a dash in front, which its tools would take for an option."""
    first, rest = random.bytes[0] & 0x7F, random.bytes[1:]
    return base64.urlsafe_b64encode(bytes([first]) + rest).decode().rstrip("=")


def settings(ports: BrokerPorts, storage: str, message_max_bytes: int) -> dict[str, str | int]:
    """Kafka's settings for one broker that is its own controller, on loopback only, and forgets nothing by itself.

    ``storage`` is relative to the working directory: Kafka splits ``log.dirs`` at commas, and the
    file is not UTF-8.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{ports.client},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports.client}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": storage,
        "auto.create.topics.enable": "false",
        "log.retention.ms": -1,
        "log.retention.bytes": -1,
        # a replay may carry times the broker would find too far ahead; judging event times is the worker's business
        "log.message.timestamp.after.max.ms": _FOREVER_MS,
        "message.max.bytes": message_max_bytes,
        "replica.fetch.max.bytes": message_max_bytes,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # after an unclean death the controller takes the broker back once the old session has run out (default 9 s)
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # one broker: one replica; and few partitions of the internal topics, which cost the first join of a group time
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "log.cleaner.dedupe.buffer.size": 16
        * 1024
        * 1024,  # default 128 MiB of heap; only internal topics are compacted
    }


def _properties(values: dict[str, str | int]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


_LOGGING = """\
Configuration:
  status: ERROR
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: {pattern: "[%d] %p %m (%c)%n"}
  Loggers:
    Root:
      level: WARN
      AppenderRef: [{ref: STDOUT}]
"""
