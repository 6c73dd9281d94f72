"""The supervisor with small real children."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.datadir import is_alive
from deploy.local.supervisor import ChildFailed, ChildSpec, Supervisor
from tests.support.wait import wait_until

# says it is ready with its pid and stays; notes its name in a file when told to stop
_GOOD = """
import os, signal, sys, time
name, notes = sys.argv[1:]
def stop(*_):
    open(notes, "a").write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print(f"{name}: warming up")
print(f"{name} ready {os.getpid()} nice {os.nice(0)} {os.environ.get('COLOUR')}")
while True: time.sleep(60)
"""
_DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf ready", os.getpid())
while True: time.sleep(60)
"""


def test_children_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, said.append) as supervisor:
        first = supervisor.start(_good("first", tmp_path))
        second = supervisor.start(_good("second", tmp_path, nice=3, env={"COLOUR": "红"}))
        assert first.startswith("first ready ")
        assert second.endswith(f"nice {os.nice(0) + 3} 红")
        assert supervisor.alive() == {"first": True, "second": True}
        assert supervisor.watch() == ()

    assert (tmp_path / "notes").read_text() == "second\nfirst\n"
    assert supervisor.alive() == {}
    assert "first: warming up" in said
    assert "first ready" in (tmp_path / "logs" / "first.log").read_text()
    supervisor.stop_all()


def test_a_child_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    script = "import sys\nfor n in range(50): print('line', n, file=sys.stderr)\nsys.exit(3)"
    with Supervisor(tmp_path, lambda text: None) as supervisor:
        with pytest.raises(ChildFailed, match="bad ended with exit code 3 before it was ready") as caught:
            supervisor.start(ChildSpec("bad", (sys.executable, "-c", script), "bad ready", 5))
        assert caught.value.what.splitlines()[1:] == [f"line {n}" for n in range(30, 50)]
        with pytest.raises(ChildFailed, match="none could not be started"):
            supervisor.start(ChildSpec("none", ("/no/such/program",), "ready", 5))
        assert supervisor.alive() == {}


def test_a_child_that_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    script = "import os, time\nprint('slow pid', os.getpid())\nprint('slow rea', end='')\ntime.sleep(60)"
    slow = ChildSpec("slow", (sys.executable, "-c", script), "slow ready", 5, ready_timeout_s=1)
    supervisor = Supervisor(tmp_path, lambda text: None)
    with pytest.raises(ChildFailed, match="slow is not ready after 1 s") as caught:
        supervisor.start(slow)
    assert supervisor.alive() == {}
    pid = int(caught.value.what.splitlines()[1].split()[-1])
    assert not is_alive(pid)


def test_a_child_deaf_to_sigterm_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(tmp_path, said.append)
    line = supervisor.start(ChildSpec("deaf", (sys.executable, "-c", _DEAF), "deaf ready", stop_timeout_s=0.3))
    supervisor.stop_all()
    assert not is_alive(int(line.split()[-1]))
    assert "deaf did not stop within 0.3 s: killed" in said


def test_a_halted_child_is_stopped_cleanly(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, lambda text: None)
    line = supervisor.start(_good("halted", tmp_path))
    os.kill(int(line.split()[2]), signal.SIGSTOP)
    supervisor.stop_all()
    assert (tmp_path / "notes").read_text() == "halted\n"


def test_only_a_child_that_may_be_restarted_is(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, said.append) as supervisor:
        phoenix = supervisor.start(_good("phoenix", tmp_path, restart=True))
        mortal = supervisor.start(_good("mortal", tmp_path))
        os.kill(int(phoenix.split()[2]), signal.SIGKILL)
        os.kill(int(mortal.split()[2]), signal.SIGKILL)

        def back() -> bool:
            supervisor.watch()
            return any(text.startswith("phoenix is back after") for text in said)

        wait_until(back, 20, "phoenix is back")
        assert supervisor.alive() == {"phoenix": True, "mortal": False}
        assert supervisor.watch() == ("mortal",)
        assert sum(text.startswith("mortal ended by signal SIGKILL") for text in said) == 1


def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from deploy.local.supervisor import ChildSpec, Supervisor
supervisor = Supervisor(Path({str(tmp_path)!r}), print)
for name in ("one", "two"):
    argv = (sys.executable, "-c", {_GOOD!r}, name, {str(tmp_path / "notes")!r})
    print(supervisor.start(ChildSpec(name, argv, name + " ready", 5)), flush=True)
print("all started", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = []
    for line in process.stdout:
        if " ready " in line:
            pids.append(int(line.split()[2]))
        if line == "all started\n":
            break
    assert len(pids) == 2
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, pids)), 5, "both children are gone")


def _good(name: str, tmp_path: Path, **more: object) -> ChildSpec:
    argv = (sys.executable, "-c", _GOOD, name, str(tmp_path / "notes"))
    return ChildSpec(name, argv, f"{name} ready", stop_timeout_s=5, **more)  # type: ignore[arg-type]
