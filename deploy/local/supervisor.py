"""Runs the processes of one machine: starts them in order, watches them, stops them in reverse order."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from deploy.errors import OperatorError
from deploy.local.child_log import ChildLog
from deploy.local.lifetime import die_with_parent

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _SETTLED_S = 1.0, 30.0, 60.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child process.

    ``ready_line``: the beginning of the line on its output that says it is ready. While it starts, lines that begin
    with its name and a colon (``broker: …``) are passed on to the user. ``env`` is added to ours. ``restart``: start it
    again when it ends by itself.
    """

    name: str
    argv: tuple[str, ...]
    ready_line: str
    stop_timeout_s: float
    nice: int = 0
    restart: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    ready_timeout_s: float = 120.0


class ChildFailed(OperatorError):
    """A child ended, or was not ready in time; the text has the last lines of its output."""


class Supervisor:
    """Owns its children: they end with the process that runs it, however that ends.

    Their output goes to ``data_dir/logs/NAME.log``, without a pipe or a thread between. The kernel ties a child to the
    thread that started it, so ``start`` and ``watch`` belong to the main thread.
    """

    def __init__(self, data_dir: Path, report: Callable[[str], None]) -> None:
        self._logs = data_dir / "logs"
        self._report = report
        self._children: dict[str, _Child] = {}

    def start(self, spec: ChildSpec) -> str:
        """Start one child and return its ready line. Raises as ``start_together``."""
        return self.start_together(spec, tell=lambda line: None)[0]

    def start_together(self, *specs: ChildSpec, tell: Callable[[str], None]) -> tuple[str, ...]:
        """Start children beside each other and return their ready lines, in the same order; ``tell`` gets each at once.

        Raises ChildFailed when one ends or is not ready within its ``ready_timeout_s``; all of them are gone then.
        """
        for spec in specs:
            if spec.name in self._children:
                raise ValueError(f"child {spec.name!r} is started already")
        begun: list[_Child] = []
        lines: dict[str, str] = {}
        try:
            for spec in specs:
                begun.append(_Child(spec, self._logs))
                self._children[spec.name] = begun[-1]
                begun[-1].launch()
            while len(lines) < len(begun):
                for child in begun:
                    if child.spec.name in lines:
                        continue
                    line = child.look(self._report)
                    if line is None:
                        child.check_start()
                    else:
                        lines[child.spec.name] = line
                        tell(line)
                time.sleep(0.03)
        except BaseException:
            for child in reversed(begun):
                child.stop(self._report)
                del self._children[child.spec.name]
            raise
        return tuple(lines[spec.name] for spec in specs)

    def alive(self) -> dict[str, bool]:
        """Name -> whether its process runs, in the order of starting."""
        return {name: child.runs() for name, child in self._children.items()}

    def watch(self) -> tuple[str, ...]:
        """Look after the children without waiting; call it a few times a second.

        Restarts what may be restarted, with growing pauses. Returns the names of children that ended and stay so.
        """
        return tuple(name for name, child in self._children.items() if not child.tend(self._report))

    def stop_all(self) -> None:
        """SIGTERM to each child in reverse order, SIGKILL after its ``stop_timeout_s``. May be called twice."""
        while self._children:
            last = next(reversed(self._children))
            self._children[last].stop(self._report)
            self._children.pop(last, None)

    def kill_all(self) -> None:
        """SIGKILL to every child that still runs, without waiting: for somebody who will not wait."""
        for pid in self.pids().values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def pids(self) -> dict[str, int]:
        """Name -> process id of each child that runs."""
        return {name: child.pid for name, child in self._children.items() if child.runs()}

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()


class _Child:
    """One child and what is known of its present life."""

    def __init__(self, spec: ChildSpec, logs: Path) -> None:
        self.spec = spec
        self._log = ChildLog(logs / f"{spec.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0  # monotonic seconds, as all times here
        self._ready = False
        self._pause_s = _FIRST_PAUSE_S
        self._start_again: float | None = None
        self._given_up = False

    def launch(self) -> None:
        self._ready = False
        self._started = time.monotonic()
        try:
            with self._log.open_for_child() as output:
                self._process = subprocess.Popen(
                    self.spec.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.env},
                    start_new_session=True,  # a Ctrl-C at the terminal reaches us, and we stop them in order
                    preexec_fn=self._before_exec,
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise ChildFailed(
                f"{self.spec.name} could not be started: {error}", f"check {self.spec.argv[0]}"
            ) from error

    @property
    def pid(self) -> int:
        """Of the present life; 0 before the first."""
        return self._process.pid if self._process else 0

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def look(self, report: Callable[[str], None]) -> str | None:
        """Read new lines of the log; the ready line if it is among them."""
        for line in self._log.new_lines():
            if line.startswith(self.spec.ready_line):
                self._ready = True
                return line
            if line.startswith(f"{self.spec.name}: "):
                report(line)
        return None

    def check_start(self) -> None:
        """Raise ChildFailed if this start has come to nothing."""
        if not self.runs():
            raise ChildFailed(f"{self._ending()} before it was ready\n{self._log.tail()}", self._see_log())
        if time.monotonic() - self._started > self.spec.ready_timeout_s:
            text = f"{self.spec.name} is not ready after {self.spec.ready_timeout_s:g} s\n{self._log.tail()}"
            raise ChildFailed(text, self._see_log())

    def tend(self, report: Callable[[str], None]) -> bool:
        """One look at a child that was started; False when it ended and will not be restarted."""
        now = time.monotonic()
        if self._given_up:
            return False
        if self._start_again is not None:
            if now >= self._start_again:
                self._start_again = None
                self._relaunch(report, now)
            return True
        if self.runs():
            if not self._ready:
                self._tend_start(report, now)
            elif now - self._started > _SETTLED_S:
                self._pause_s = _FIRST_PAUSE_S
            return True
        if not self.spec.restart:
            self._given_up = True
            report(f"{self._ending()}\n{self._log.tail()}")
            return False
        self._fall_back(report, now, f"{self._ending()}\n{self._log.tail(5)}")
        return True

    def stop(self, report: Callable[[str], None]) -> None:
        self._start_again, self._given_up = None, True
        if self._process is None or not self.runs():
            return
        report(f"stopping {self.spec.name}…")
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # one that was halted could not hear the first signal
        try:
            self._process.wait(self.spec.stop_timeout_s)
        except subprocess.TimeoutExpired:
            report(f"{self.spec.name} did not stop within {self.spec.stop_timeout_s:g} s: killed")
            self._process.kill()
            self._process.wait()

    def _tend_start(self, report: Callable[[str], None], now: float) -> None:
        if self.look(report) is not None:
            report(f"{self.spec.name} is back after {now - self._started:.1f} s")
            return
        try:
            self.check_start()
        except ChildFailed as failure:
            self.stop(report)
            self._given_up = False
            self._fall_back(report, now, failure.what)

    def _relaunch(self, report: Callable[[str], None], now: float) -> None:
        try:
            self.launch()
        except ChildFailed as failure:
            self._fall_back(report, now, failure.what)

    def _fall_back(self, report: Callable[[str], None], now: float, why: str) -> None:
        report(f"{why}\n{self.spec.name}: starting it again in {self._pause_s:g} s")
        self._start_again = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _before_exec(self) -> None:
        die_with_parent()
        if self.spec.nice:
            os.nice(self.spec.nice)

    def _ending(self) -> str:
        code = self._process.returncode if self._process else None
        how = f"by signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"with exit code {code}"
        return f"{self.spec.name} ended {how}"

    def _see_log(self) -> str:
        return f"its whole log is {self._log.path}"
