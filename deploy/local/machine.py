"""Everything of one machine: broker, store, tables, topics, workers and api, started in order and kept running."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from deploy.errors import OperatorError
from deploy.local.broker_main import READY_PREFIX as BROKER_READY
from deploy.local.datadir import DirLock, lock, prepare_data_dir
from deploy.local.instance import announce_instance, withdraw_instance
from deploy.local.ports import Ports
from deploy.local.supervisor import ChildSpec, Supervisor
from deploy.settings import Settings, as_environment
from deploy.topics import ensure_topics
from deploy.wiring import store_of
from metric_defs import Registry
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate

STORE_DIR = "store"
LOCK_NAME = "up.lock"
STORE_READY, WORKER_READY, API_READY = "store ready on ", "worker ready", "api ready on "
WORKER_NICE = 10
"""A worker uses all it gets; the api beside it must not wait for its turn."""
_STOP_S = {"api": 10.0, "worker": 25.0, "store": 20.0, "broker": 40.0}


class ProcessGone(OperatorError):
    """A process that is not started again has ended."""


class Machine:
    """Use as a context manager, from the main thread: it stops in reverse order whatever happens.

    ``choose_ports`` is asked once the data directory is ours. ``settings`` say everything but where Kafka and the store
    are: those are this machine's own, as ``self.settings`` says once started; ``address`` is then the api's.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        choose_ports: Callable[[], Ports],
        workers: int,
        report: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.address = ""
        self._registry = registry
        self._choose_ports = choose_ports
        self._workers = workers
        self._report = report
        self._lock: DirLock | None = None
        self._data_dir = settings.data_dir
        self._supervisor = Supervisor(settings.data_dir.absolute(), report)

    @property
    def pids(self) -> dict[str, int]:
        """Name -> process id of what runs."""
        return self._supervisor.pids()

    def start(self, prepared: Callable[[], None] = lambda: None) -> None:
        """Return when all of it is ready. ``prepared`` is called as soon as events can be sent.

        Raises OperatorError or StoreError.
        """
        self._data_dir = prepare_data_dir(self.settings.data_dir)
        self._lock = lock(self._data_dir, LOCK_NAME)
        self._supervisor = Supervisor(self._data_dir, self._report)
        ports = self._choose_ports()  # not before the directory is ours: its owner has the usual ones
        broker, store = self._supervisor.start_together(
            _spec("broker", ("broker", *self._dir(), "--port", str(ports.kafka)), BROKER_READY),
            _spec("store", ("store", *self._dir(), "--port", str(ports.store)), STORE_READY),
            tell=self._report,
        )
        self._use_own(broker.removeprefix(BROKER_READY), f"http://{store.removeprefix(STORE_READY)}", ports.api)
        self._prepare()
        prepared()
        workers = [self._service(f"worker-{n}", "worker", WORKER_READY) for n in range(1, self._workers + 1)]
        *_, api = self._supervisor.start_together(*workers, self._service("api", "serve", API_READY), tell=self._report)
        self.address = api.removeprefix(API_READY)
        self._announce()

    def tend(self) -> None:
        """Look after the processes; call it a few times a second. Raises ProcessGone."""
        gone = self._supervisor.watch()
        if gone:
            raise ProcessGone(
                f"{' and '.join(gone)} ended by itself",
                f"the lines above tell why; the whole log is in {self._data_dir / 'logs'}",
            )

    def stop(self) -> None:
        """Stop everything in reverse order. May be called twice."""
        self._supervisor.stop_all()
        if self._lock is not None:
            withdraw_instance(self._data_dir)
            self._lock.release()
            self._lock = None

    def kill(self) -> None:
        """End every process at once."""
        self._supervisor.kill_all()

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        store = ClickHouse(store_of(self.settings))
        try:
            changes = migrate(store, self._registry)
        finally:
            store.close()
        topics = self.settings.topics
        wanted = {event.topic: topics.partitions for event in self._registry.events.values()}
        created = ensure_topics(self.settings.kafka.connection(), wanted, replication_factor=topics.replication)
        self._report(f"{len(changes)} changes to the store's tables, {len(created)} topics created")

    def _use_own(self, bootstrap: str, url: str, api_port: int) -> None:
        """Kafka and the store of this machine take no credentials, whatever the settings say of others."""
        defaults = Settings()
        self.settings = self.settings.model_copy(
            update={
                "kafka": defaults.kafka.model_copy(update={"bootstrap": bootstrap}),
                "clickhouse": defaults.clickhouse.model_copy(update={"url": url}),
                "api": self.settings.api.model_copy(update={"port": api_port}),
                "data_dir": self._data_dir,
            }
        )

    def _dir(self) -> tuple[str, str]:
        return "--data-dir", str(self._data_dir)

    def _service(self, name: str, command: str, ready_line: str) -> ChildSpec:
        # under a name of its own a worker that comes back takes up its partitions at once
        member = {"METRICGRID_WORKER__INSTANCE_ID": name} if command == "worker" else {}
        environment = {**as_environment(self.settings), **member}
        nice = WORKER_NICE if command == "worker" else 0
        return replace(_spec(name, (command,), ready_line), nice=nice, restart=True, env=environment)

    def _announce(self) -> None:
        directory = self.settings.registry.dir
        stated = {
            "kafka.bootstrap": self.settings.kafka.bootstrap,
            "clickhouse.url": self.settings.clickhouse.url,
            "api.port": str(self.settings.api.port),
            **({"registry.dir": str(directory.absolute())} if directory else {}),
        }
        announce_instance(self._data_dir, stated)


def _spec(name: str, arguments: tuple[str, ...], ready_line: str) -> ChildSpec:
    return ChildSpec(
        name=name,
        argv=(*metricgrid_command(), *arguments),
        ready_line=ready_line,
        stop_timeout_s=_STOP_S[name.partition("-")[0]],
    )


def metricgrid_command() -> tuple[str, ...]:
    """How a process of ours is started: by this very Python, and without looking for packages where we stand."""
    return sys.executable, "-P", "-m", "deploy.cli"
