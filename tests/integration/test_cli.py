"""The command line with wrong input: exit code, words, and never a traceback."""

import json
import os
import resource
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import metricgrid, started
from tests.support.registries import GOOD, line_of, spoilt, write_registry
from tests.support.wait import wait_until

NOWHERE = "127.0.0.1:1"


def fails(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    """It ended with the code, said the words on standard error, and showed no traceback."""
    assert done.returncode == code, done.stderr + done.stdout
    for word in words:
        assert word in done.stderr, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.count("\n") < 30


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_help_is_quick(tmp_path: Path) -> None:
    times_s = []
    for _ in range(3):  # processor time, the best of three: the machine may be busy with other things
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = metricgrid("--help", cwd=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.returncode == 0
    for command in ("up", "worker", "serve", "store", "broker", "migrate", "replay", "simulate", "audit", "doctor"):
        assert command in done.stdout
    assert min(times_s) < 0.4, times_s


def test_version(tmp_path: Path) -> None:
    done = metricgrid("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("metricgrid ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nope",),
        ("up", "--nope"),
        ("nope",),
        ("serve", "--port", "70000"),
        ("replay",),
        ("replay", "completejourney", "--rate", "1", "--speed", "2"),
        ("simulate", "--rate", "-1"),
        ("demo", "--kill-worker"),
        ("config", "show", "--set", "nothing"),
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    fails(metricgrid(*arguments, cwd=tmp_path), 2, "Usage: metricgrid")


def test_settings_that_cannot_be_used_are_78(tmp_path: Path) -> None:
    (tmp_path / "metricgrid.yaml").write_text("kafak: {bootstrap: 'a:1'}\n")
    wrong = {"METRICGRID_API__PORT": "many"}
    done = metricgrid("worker", "--clickhouse-url", "nowhere", cwd=tmp_path, env=wrong)
    fails(done, 78, "metricgrid.yaml: unknown setting 'kafak.bootstrap'", "METRICGRID_API__PORT", "http://HOST:8123")


def test_config_show_hides_secrets_and_says_where_from(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("[worker]\ngroup = 'blue'\n")
    secret = {"METRICGRID_CLICKHOUSE__PASSWORD": "hunter2"}
    plain = metricgrid("config", "show", "--config", "m.toml", "--set", "api.port=9", cwd=tmp_path, env=secret)
    assert plain.returncode == 0, plain.stderr
    assert "hunter2" not in plain.stdout
    for row in (
        ("worker.group", "blue", "m.toml"),
        ("api.port", "9", "command line"),
        ("clickhouse.password", "********", "environment variable METRICGRID_CLICKHOUSE__PASSWORD"),
    ):
        assert any(all(word in line for word in row) for line in plain.stdout.splitlines()), plain.stdout
    shown = json.loads(metricgrid("--config", "m.toml", "config", "show", "--json", cwd=tmp_path, env=secret).stdout)
    assert shown["worker.group"] == {"value": "blue", "from": "m.toml"}
    assert shown["clickhouse.password"]["value"] == "********"
    assert shown["api.port"] == {"value": 8000, "from": "default"}


@pytest.mark.parametrize("command", [("registry", "check"), ("worker",), ("serve",), ("migrate",), ("demo", "--exit")])
def test_a_bad_registry_is_78_with_file_and_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    files = spoilt("metrics.yaml", "expr: sum(cents)", "expr: sum(dollars)")
    write_registry(tmp_path / "defs", files)
    done = metricgrid(*command, "--registry", "defs", cwd=tmp_path)
    line = line_of(files["metrics.yaml"], "expr: sum(dollars)")
    fails(done, 78, f"metrics.yaml:{line}: ", "dollars", "hint:")


def test_a_registry_that_is_not_there_is_78(tmp_path: Path) -> None:
    fails(metricgrid("registry", "check", "--registry", "nowhere", cwd=tmp_path), 78, "nowhere: is no directory")


def test_registry_for_programs(tmp_path: Path) -> None:
    write_registry(tmp_path / "defs", GOOD)
    write_registry(tmp_path / "bad", spoilt("metrics.yaml", "expr: sum(cents)", "expr: sum(dollars)"))
    good = metricgrid("registry", "check", "--json", "--registry", "defs", cwd=tmp_path)
    assert json.loads(good.stdout) | {"fingerprint": ""} == {
        "ok": True, "faults": [], "fingerprint": "", "events": 1, "measures": 2, "metrics": 3, "cubes": 2,
    }  # fmt: skip
    bad = metricgrid("registry", "check", "--json", "--registry", "bad", cwd=tmp_path)
    assert bad.returncode == 78
    assert json.loads(bad.stdout)["faults"][0]["file"] == "metrics.yaml"
    card = json.loads(metricgrid("registry", "show", "aov", "--json", "--registry", "defs", cwd=tmp_path).stdout)
    assert (card["metric"], card["numerator"], card["denominator"]) == ("aov@1", "pay_amt", "buyers")
    fails(metricgrid("registry", "show", "aovv", "--registry", "defs", cwd=tmp_path), 1, "did you mean 'aov'?")
    sql = json.loads(metricgrid("registry", "compile", "--json", "--registry", "defs", cwd=tmp_path).stdout)
    assert sql["table panes"].startswith("CREATE TABLE IF NOT EXISTS panes")
    plan = metricgrid("registry", "compile", "--explain", "--registry", "defs", cwd=tmp_path)
    assert "id within 3600000 ms" in plan.stdout


@pytest.mark.parametrize("command", ["migrate", "status"])
def test_no_clickhouse_at_the_address(tmp_path: Path, command: str) -> None:
    done = metricgrid(command, "--clickhouse-url", f"http://{NOWHERE}", cwd=tmp_path)
    fails(done, 1, f"no ClickHouse answers at http://{NOWHERE}: Connection refused", "doctor")


@pytest.mark.parametrize(
    "command", [("serve",), ("up", "--data-dir", "d"), ("demo", "--exit"), ("store",), ("broker",)]
)
def test_a_port_in_use_is_named(tmp_path: Path, taken: int, command: tuple[str, ...]) -> None:
    done = metricgrid(*command, "--port", str(taken), cwd=tmp_path)
    assert done.returncode in (1, 78)
    fails(done, done.returncode, str(taken))
    assert "in use" in done.stderr or "Address already in use" in done.stderr


@pytest.mark.parametrize("command", ["up", "demo", "store", "broker"])
def test_a_data_directory_that_cannot_be_used(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    done = metricgrid(command, "--data-dir", "file/below", "--port", "0", cwd=tmp_path)
    assert done.returncode in (1, 78)
    fails(done, done.returncode, "is not a directory", "--data-dir")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_data_directory(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o500)
    fails(metricgrid("up", "--data-dir", "d", "--port", "0", cwd=tmp_path), 1, "cannot be written by this user")


def test_doctor_says_what_fails_and_what_to_do(tmp_path: Path) -> None:
    done = metricgrid("doctor", "--bootstrap", NOWHERE, "--clickhouse-url", f"http://{NOWHERE}", cwd=tmp_path)
    fails(done, 1)
    for line in (
        "ok    python: 3.",
        "ok    registry: built in",
        "fail  kafka: no Kafka",
        "fail  clickhouse: no ClickHouse",
    ):
        assert line in done.stdout, done.stdout
    lines = done.stdout.splitlines()
    assert all(lines[n + 1].startswith("      -> ") for n, line in enumerate(lines) if line.startswith("fail"))
    assert not (tmp_path / "data").exists()


@pytest.mark.kafka
@pytest.mark.store
@pytest.mark.timeout(120)
def test_up_owns_its_directory_and_stops_in_order(tmp_path: Path) -> None:
    """Up with two helpers beside it: a second instance, and commands that find it by the directory alone."""
    output = tmp_path / "up.txt"
    arguments = ("up", "--data-dir", "d", "--port", "0", "--kafka-port", "0", "--store-port", "0")
    with started(*arguments, "--set", "api.port=0", cwd=tmp_path, output=output) as process:
        wait_until(
            lambda: "live page: http://" in output.read_text() or process.poll() is not None, 90, "up to be ready"
        )
        assert process.poll() is None, output.read_text()

        second = metricgrid("up", "--data-dir", "d", "--port", "0", cwd=tmp_path)
        fails(second, 1, "is in use by process", "--data-dir")

        doctor = metricgrid("doctor", "--json", "--data-dir", "d", cwd=tmp_path)
        assert doctor.returncode == 0, doctor.stdout
        found = {finding["what"]: finding for finding in json.loads(doctor.stdout)}
        assert found["topic shop.orders.v1"]["text"] == "2 partitions"
        assert found["ports"]["state"] == "ok"

        sent = metricgrid("simulate", "--events", "300", "--bad", "0", "--late", "0", "--duplicates", "0",
                          "--truth", "truth.json", "--data-dir", "d", cwd=tmp_path)  # fmt: skip
        assert sent.returncode == 0, sent.stderr

        def counted() -> int:
            status = metricgrid("status", "--json", "--data-dir", "d", cwd=tmp_path)
            return sum(topic["counted"] for topic in json.loads(status.stdout)["topics"])

        wait_until(lambda: counted() == 300, 30, "300 events to be counted")
        audit = metricgrid("audit", "--json", "--data-dir", "d", cwd=tmp_path)
        assert audit.returncode == 0, audit.stderr + audit.stdout
        assert json.loads(audit.stdout)["clean"] is True

        process.terminate()
        assert process.wait(60) == 0, output.read_text()
    text = output.read_text()
    order = [text.index(f"stopping {name}") for name in ("api", "worker-1", "store", "broker")]
    assert order == sorted(order)
    assert not (tmp_path / "d" / "instance.json").exists()
    assert "Traceback" not in text
