"""What replay and simulate refuse before they look for Kafka; pacing; progress off the terminal."""

import io
from pathlib import Path

import pytest

from deploy.feed.commands import run_replay, run_simulate
from deploy.feed.errors import FeedError, SimulationError, SourceError
from deploy.feed.pacing import FULL_SPEED, Pacing
from deploy.feed.progress import progress
from deploy.feed.simulate import SimulationOptions
from metric_defs import Registry, load_registry
from streams.connection import KafkaConnection

NOWHERE = KafkaConnection("127.0.0.1:9")
NOW_MS = 1_770_000_000_000


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_a_file_needs_its_event_and_its_map(registry: Registry) -> None:
    with pytest.raises(SourceError, match="event and its map") as refused:
        run_replay("f.csv", registry, NOWHERE, now_ms=NOW_MS)
    assert "--event NAME --map" in refused.value.hint


def test_events_must_be_positive(registry: Registry) -> None:
    with pytest.raises(SourceError, match="events is 0"):
        run_replay("completejourney", registry, NOWHERE, now_ms=NOW_MS, events=0)


@pytest.mark.parametrize(
    ("begins_ms", "pacing"),
    [
        (-3_599_999, FULL_SPEED),
        (-3_599_999, Pacing(rate=5)),
        (1, Pacing(speed=1)),
        (0, Pacing(speed=2)),
        (-1_000_000, Pacing(speed=2)),
    ],
)
def test_events_from_the_future_are_refused(registry: Registry, begins_ms: int, pacing: Pacing) -> None:
    options = SimulationOptions(start_ms=NOW_MS + begins_ms, duration_ms=3_600_000)
    with pytest.raises(SimulationError, match="from the future"):
        run_simulate(options, registry, NOWHERE, now_ms=NOW_MS, pacing=pacing)


def test_every_feed_error_has_a_hint(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(FeedError) as refused:
        run_replay(
            str(tmp_path / "f.csv"), registry, NOWHERE, now_ms=NOW_MS, event="nope", map_path=tmp_path / "m.yaml"
        )
    assert "hint:" in str(refused.value)


def test_a_rate_is_an_open_loop() -> None:
    pacing = Pacing(rate=100)
    times = [0] * 1_000
    assert pacing.due(0, times, 0, 1_000, 0, 0.0) == 1
    assert pacing.due(1, times, 1, 1_000, 0, 0.5) == 50
    assert pacing.due(51, times, 51, 1_000, 0, 0.5) == 0
    assert pacing.wait_s(51, 0, 0, 0.5) == pytest.approx(0.01)
    assert pacing.due(51, times, 51, 1_000, 0, 5.0) == 450  # after a stall all that is overdue goes at once


def test_a_speed_follows_event_time() -> None:
    pacing = Pacing(speed=10)
    times = [1_000, 1_000, 2_000, 60_000]
    assert pacing.due(0, times, 0, 4, 1_000, 0.0) == 2
    assert pacing.due(2, times, 2, 4, 1_000, 0.1) == 1
    assert pacing.wait_s(3, 60_000, 1_000, 0.1) == pytest.approx(5.8)


@pytest.mark.parametrize("given", [{"rate": 1, "speed": 1}, {"rate": 0}, {"speed": -1}, {"rate": float("inf")}])
def test_senseless_pacing_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give a"):
        Pacing(**given)


def test_progress_off_a_terminal_is_plain_lines_now_and_then() -> None:
    out = io.StringIO()
    seconds = iter(range(1_000))
    with progress("replay", out, lambda: next(seconds)) as report:
        for done in range(1, 21):
            report(done, 20, "3 bad rows" if done > 10 else "")
    lines = out.getvalue().splitlines()
    assert 3 <= len(lines) <= 8
    assert lines[-1].startswith("replay: 20 of 20 (100%)")
    assert lines[-1].endswith("3 bad rows")
    assert "\x1b" not in out.getvalue()
