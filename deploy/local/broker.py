"""The embedded broker: a real Apache Kafka in KRaft mode as a child of this process; no Docker, no system Java."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.broker_error import BrokerError
from deploy.local.broker_files import BrokerFiles
from deploy.local.broker_ports import HOST, BrokerPorts, answers, free_ports
from deploy.local.datadir import DataDirError, DirLock, lock, prepare_data_dir
from deploy.local.java import java_command, java_environment
from deploy.local.kafka_jars import resolve_classpath
from deploy.local.lifetime import die_with_parent

LOCK_NAME = "broker.lock"


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """``port`` 0 takes a free one at each start. Everything the broker keeps is below ``data_dir/kafka``."""

    data_dir: Path
    port: int = 0
    heap_mb: int = 512
    message_max_bytes: int = 16 * 1024 * 1024


class EmbeddedBroker:
    """One Kafka over one data directory, for as long as this process lives.

    Java is told to end when the thread that called ``start`` ends: call it from the main thread.
    """

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: DirLock | None = None
        self._files = BrokerFiles(options.data_dir.expanduser().absolute())
        self._log_start_bytes = 0

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients; meaningful once started."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of java. Raises BrokerError before ``start``."""
        if self._process is None:
            raise BrokerError("the broker is not started", "call start() first")
        return self._process.pid

    def start(self, report: Callable[[str], None], timeout_s: float = 120.0) -> None:
        """Return once Kafka answers a metadata request. ``report`` is told of each long step.

        A directory formatted before is used as it is, whatever ended its last broker. Raises BrokerError; nothing is
        left running then. ``timeout_s`` covers java's own start, not the download of the jars.
        """
        if self._process is not None:
            raise BrokerError("the broker is started already", "stop() it first")
        try:
            data_dir = prepare_data_dir(self._options.data_dir)
            self._lock = held = lock(data_dir, LOCK_NAME)
            self._files = BrokerFiles(data_dir)
            self._start(held, report, timeout_s)
        except DataDirError as error:
            self.stop(0)
            raise BrokerError(error.what, error.hint) from error
        except OSError as error:
            self.stop(0)
            raise BrokerError(
                f"cannot write below {self._files.root}: {error}", "check the disk and its rights"
            ) from error
        except BaseException:
            self.stop(5)
            raise

    def poll(self) -> int | None:
        """None while java runs, then its exit code (143: stopped by SIGTERM, as it should be)."""
        return self._process.poll() if self._process else None

    def last_words(self) -> str:
        """The last lines of the log since this start."""
        return self._files.log_since(self._log_start_bytes)

    def stop(self, timeout_s: float) -> None:
        """Let Kafka shut down cleanly, kill it after ``timeout_s``, give the directory back. May be called twice."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _start(self, held: DirLock, report: Callable[[str], None], timeout_s: float) -> None:
        ports = free_ports(self._options.port)
        classpath = resolve_classpath(report)
        self._files.write(ports, self._options.message_max_bytes)
        if not self._files.storage.exists():
            began = time.monotonic()
            self._files.format_storage(classpath)
            report(f"storage formatted ({time.monotonic() - began:.1f} s)")
        for attempts_left in (2, 1, 0):
            began = time.monotonic()
            self._launch(held, classpath, ports)
            try:
                self._await_answer(report, began, timeout_s)
            except BrokerError:
                # between choosing a free port and java's opening it, somebody else may have taken it
                if self._options.port or not attempts_left or "Address already in use" not in self.last_words():
                    raise
                ports = free_ports(0)
                self._files.write(ports, self._options.message_max_bytes)
                continue
            report(f"Kafka answers on {self.bootstrap} ({time.monotonic() - began:.1f} s)")
            return

    def _launch(self, held: DirLock, classpath: str, ports: BrokerPorts) -> None:
        self._port = ports.client
        with self._files.log.open("ab") as log:
            self._log_start_bytes = log.seek(0, 2)
            self._process = subprocess.Popen(
                (*java_command(classpath, self._options.heap_mb), "kafka.Kafka", self._files.settings.name),
                cwd=self._files.root,
                env=java_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal reaches us, and we stop java in our order
                preexec_fn=die_with_parent,
                # java keeps the directory held until it has really ended, even if we are killed
                pass_fds=(held.fileno(),),
            )
        held.name_holders(os.getpid(), self._process.pid)

    def _await_answer(self, report: Callable[[str], None], began: float, timeout_s: float) -> None:
        told_s = 0.0
        while not answers(self.bootstrap):
            code = self.poll()
            waited_s = time.monotonic() - began
            if code is not None:
                raise _ended(code, self.bootstrap, self.last_words())
            if waited_s > timeout_s:
                raise BrokerError(
                    f"Kafka does not answer on {self.bootstrap} after {timeout_s:g} s\n{self.last_words()}",
                    "see what keeps this machine busy; the whole log is " + str(self._files.log),
                )
            if waited_s - told_s >= 5:
                told_s = waited_s
                report(f"starting Kafka… {waited_s:.0f} s")
            time.sleep(0.03)


def _ended(code: int, bootstrap: str, log_lines: str) -> BrokerError:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    hint = "the log lines above tell why"
    if "Address already in use" in log_lines:
        hint = f"something else took {bootstrap} just now: choose another port (0 takes a free one)"
    elif "No space left" in log_lines:
        hint = "the disk is full: free some space, or name another directory with --data-dir"
    elif "OutOfMemoryError" in log_lines or "initialization of VM" in log_lines:
        hint = "give Kafka another heap size with --heap-mb, or free some memory"
    elif code == -signal.SIGKILL:
        hint = "something killed it; if the kernel did, for want of memory, lower --heap-mb"
    return BrokerError(f"Kafka ended while starting ({how})\n{log_lines}", hint)
