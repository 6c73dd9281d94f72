"""Where settings come from, what is refused, and that secrets stay hidden."""

import os
from pathlib import Path

import pytest

from deploy.local.instance import announce_instance, withdraw_instance
from deploy.settings import Settings, as_environment, env_name, flat, keys
from deploy.settings_layers import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("METRICGRID_") or name in ("KAFKA_BOOTSTRAP_SERVERS", "CLICKHOUSE_URL"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def faults(flags: dict[str, object] | None = None, config: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, config)
    assert caught.value.exit_code == 78
    return caught.value.faults


def test_defaults_need_nothing() -> None:
    effective = load_settings({})
    assert effective.settings == Settings()
    assert effective.settings.topics.partitions == 2
    assert effective.origin("api.port") == "default"


def test_flag_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "metricgrid.yaml").write_text("worker: {group: file, budget_mb: 64}\napi: {port: 1000, tick_ms: 100}\n")
    monkeypatch.setenv("METRICGRID_WORKER__GROUP", "environment")
    monkeypatch.setenv("METRICGRID_API__PORT", "2000")
    effective = load_settings({"api.port": 3000, "api.host": None})
    assert effective.settings.api.port == 3000
    assert effective.settings.worker.group == "environment"
    assert effective.settings.worker.budget_mb == 64
    assert effective.settings.worker.full_records == 100_000
    assert effective.origin("api.port") == "command line"
    assert effective.origin("worker.group") == "environment variable METRICGRID_WORKER__GROUP"
    assert effective.origin("api.tick_ms") == "metricgrid.yaml"
    assert effective.origin("worker.full_records") == "default"


def test_file_by_flag_by_variable_and_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "metricgrid.toml").write_text("[worker]\ngroup = 'found'\n")
    (tmp_path / "named.yaml").write_text("worker: {group: named}\n")
    (tmp_path / "given.toml").write_text("[worker]\ngroup = 'given'\n")
    assert load_settings({}).settings.worker.group == "found"
    monkeypatch.setenv("METRICGRID_CONFIG", str(tmp_path / "named.yaml"))
    assert load_settings({}).settings.worker.group == "named"
    assert load_settings({}, tmp_path / "given.toml").settings.worker.group == "given"


def test_paths_in_a_file_are_meant_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "m.yaml").write_text("data_dir: here\nregistry: {dir: /elsewhere}\n")
    settings = load_settings({}, tmp_path / "conf" / "m.yaml").settings
    assert settings.data_dir == tmp_path / "conf" / "here"
    assert settings.registry.dir == Path("/elsewhere")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("kafka: {bootstrp: 'a:1'}\n", "unknown setting 'kafka.bootstrp' (did you mean 'kafka.bootstrap'?)"),
        ("kafak: {bootstrap: 'a:1'}\n", "unknown setting 'kafak.bootstrap' (did you mean 'kafka.bootstrap'?)"),
        ("topics: {}\nnope: 1\n", "unknown setting 'nope'"),
        ("api: 3\n", "'api' is a group of settings, such as api.host"),
        ("- 1\n", "is no mapping of settings"),
        ("a: [\n", "is no YAML"),
        ("api: {port: 70000}\n", "api.port: input should be less than or equal to 65535, not 70000"),
        ("clickhouse: {url: 'localhost:8123'}\n", "write http://HOST:8123"),
        ("kafka: {bootstrap: nowhere}\n", "give host:port"),
        ("kafka: {security_protocol: SASL_SSL}\n", "needs a SASL mechanism"),
        ("log_format: xml\n", "log_format: input should be 'console' or 'json', not 'xml'"),
    ],
)
def test_a_bad_file_is_named_with_key_and_reason(tmp_path: Path, content: str, wanted: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    found = faults(config=file)
    assert [f for f in found if f.startswith(str(file)) and wanted in f], found


def test_all_faults_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "metricgrid.yaml").write_text("api: {ports: 1}\n")
    monkeypatch.setenv("METRICGRID_WORKER__BUDGET_MB", "plenty")
    monkeypatch.setenv("METRICGRID_KAFKA__BOOTSTRAPS", "a:1")
    monkeypatch.setenv("METRICGRID_DATADIR", "x")
    found = "\n".join(faults({"topics.partitions": 0}))
    for words in (
        "metricgrid.yaml: unknown setting 'api.ports'",
        "METRICGRID_WORKER__BUDGET_MB: worker.budget_mb",
        "METRICGRID_KAFKA__BOOTSTRAPS: unknown setting 'kafka.bootstraps'",
        "METRICGRID_DATADIR: unknown setting (did you mean 'METRICGRID_DATA_DIR'?)",
        "command line: topics.partitions",
    ):
        assert words in found, found


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in faults(config=tmp_path / "none.yaml")[0]


def test_empty_and_lone_group_say_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "metricgrid.yaml").write_text("kafka:\n")
    monkeypatch.setenv("METRICGRID_API__PORT", "")
    assert load_settings({}).settings == Settings()


def test_secret_from_a_file_without_its_line_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setenv("METRICGRID_CLICKHOUSE__PASSWORD_FILE", str(tmp_path / "secret"))
    effective = load_settings({})
    assert effective.settings.clickhouse.password.get_secret_value() == "hunter2"
    assert "named by METRICGRID_CLICKHOUSE__PASSWORD_FILE" in effective.origin("clickhouse.password")
    monkeypatch.setenv("METRICGRID_CLICKHOUSE__PASSWORD", "said")
    assert load_settings({}).settings.clickhouse.password.get_secret_value() == "said"


def test_secret_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICGRID_KAFKA__PASSWORD_FILE", "nowhere")
    assert "METRICGRID_KAFKA__PASSWORD_FILE: nowhere cannot be read" in faults()[0]


def test_secrets_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICGRID_CLICKHOUSE__PASSWORD", "hunter2")
    monkeypatch.setenv("METRICGRID_KAFKA__PASSWORD", "hunter3")
    found = "\n".join(faults({"clickhouse.url": "http://me:hunter4@host"}))
    assert "takes no SASL settings" in found
    assert "hunter" not in found
    monkeypatch.delenv("METRICGRID_KAFKA__PASSWORD")
    settings = load_settings({}).settings
    assert "hunter" not in repr(settings) + str(flat(settings))


def test_names_of_other_tools_are_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "other:1")
    monkeypatch.setenv("CLICKHOUSE_URL", "http://other:2")
    monkeypatch.setenv("METRICGRID_KAFKA__BOOTSTRAP", "ours:3")
    settings = load_settings({}).settings
    assert settings.kafka.bootstrap == "ours:3"
    assert settings.clickhouse.url == "http://other:2"


def test_a_running_instance_says_where_it_is(tmp_path: Path) -> None:
    announce_instance(tmp_path, {"kafka.bootstrap": "127.0.0.1:7", "registry.dir": "/defs"})
    effective = load_settings({"data_dir": tmp_path})
    assert effective.settings.kafka.bootstrap == "127.0.0.1:7"
    assert effective.settings.registry.dir == Path("/defs")
    assert "instance running on" in effective.origin("kafka.bootstrap")
    assert load_settings({"data_dir": tmp_path, "kafka.bootstrap": "a:1"}).settings.kafka.bootstrap == "a:1"
    withdraw_instance(tmp_path)
    assert load_settings({"data_dir": tmp_path}).settings.kafka.bootstrap == "127.0.0.1:9092"


def test_a_crashed_instance_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "instance.json").write_text('{"pid": 4194303, "settings": {"kafka.bootstrap": "127.0.0.1:7"}}')
    assert load_settings({"data_dir": tmp_path}).settings.kafka.bootstrap == "127.0.0.1:9092"


def test_a_child_started_with_the_environment_sees_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    flags: dict[str, object] = {
        "clickhouse.password": "hunter2",
        "registry.dir": Path("/defs"),
        "worker.session_timeout_s": 3.5,
        "worker.instance_id": "one",
    }
    settings = load_settings(flags).settings
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings({}).settings == settings


def test_every_value_has_a_variable_of_its_own() -> None:
    values = [key for key, group in keys().items() if group is None]
    assert len({env_name(key) for key in values}) == len(values)
    assert env_name("worker.flush_interval_ms") == "METRICGRID_WORKER__FLUSH_INTERVAL_MS"
