"""Laws that hold for any log: of the oracle, and therefore of every kernel that agrees with it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metric_defs.models import PANE_MS
from tests.support.catalogs import KIOSK_MIDNIGHT_MS, kiosk_registry
from tests.support.records import bad_records, encoded, fields_of, good_records, logs, now_ms, reasons
from tests.support.reference import Cells, ReferenceLane

REGISTRY = kiosk_registry()
EVENTS = sorted(REGISTRY.events)
UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
LOGS = settings(max_examples=25, deadline=None, suppress_health_check=UNHURRIED)

Log = list[bytes | None]


def fed(name: str, log: Log, cuts: set[int] | None = None) -> ReferenceLane:
    """A lane that was given the log of partition 0, cut into batches before the given offsets."""
    lane = ReferenceLane(REGISTRY)
    edges = [0, *sorted(cuts or set()), len(log)]
    for start, end in pairwise(edges):
        lane.feed(name, 0, list(enumerate(log))[start:end], now_ms(REGISTRY.events[name], KIOSK_MIDNIGHT_MS))
    return lane


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
@LOGS
def test_the_cut_into_batches_changes_nothing(name: str, data: st.DataObject) -> None:
    log = data.draw(logs(REGISTRY.events[name], KIOSK_MIDNIGHT_MS))
    cuts = data.draw(st.sets(st.integers(0, len(log))))
    whole, cut = fed(name, log), fed(name, log, cuts)
    assert whole.counts() == cut.counts()
    assert whole.cells() == cut.cells()


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
@LOGS
def test_every_record_read_has_exactly_one_fate(name: str, data: st.DataObject) -> None:
    event = REGISTRY.events[name]
    log = data.draw(logs(event, KIOSK_MIDNIGHT_MS, large=data.draw(st.integers(0, 9)) == 0))
    lane = ReferenceLane(REGISTRY)
    outcomes = lane.feed(name, 0, list(enumerate(log)), now_ms(event, KIOSK_MIDNIGHT_MS))
    assert [o.offset for o in outcomes] == list(range(len(log)))
    for counts in lane.counts().values():
        assert counts.counted + counts.duplicate + counts.too_late + counts.dead == counts.read == len(log)
        assert Counter(o.verdict for o in outcomes) == +Counter(
            counted=counts.counted, duplicate=counts.duplicate, too_late=counts.too_late, dead=counts.dead)
        times = [int(o.values[event.time]) for o in outcomes if o.verdict != "dead" and o.values]
        assert counts.max_event_ms == max(times, default=None)
    if event.dedupe is None:
        assert all(o.verdict != "duplicate" for o in outcomes)


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
@LOGS
def test_grains_and_cubes_hold_the_same_events(name: str, data: st.DataObject) -> None:
    lane = fed(name, data.draw(logs(REGISTRY.events[name], KIOSK_MIDNIGHT_MS)))
    counted = sum(c.counted for c in lane.counts().values())
    cells = lane.cells()
    for cube in REGISTRY.cubes:
        if not REGISTRY.measures_in_cube(cube, name):
            continue
        for grain in ("10s", "1h", "1d"):
            assert _events(cells, cube, grain, name) == counted


def _events(cells: Cells, cube: str, grain: str, measure: str) -> float:
    return sum(values[measure] for key, values in cells.items() if key[:2] == (cube, grain))


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
@LOGS
def test_any_order_within_the_lateness_gives_the_same_cells(name: str, data: st.DataObject) -> None:
    event = REGISTRY.events[name]
    # all in one span that no record can close for another: lateness + disorder, at least one pane; keys all different
    span = max(event.allowed_lateness + event.disorder, PANE_MS) - 1
    log: Log = []
    for number in range(data.draw(st.integers(0, 12))):
        fields = data.draw(fields_of(event, KIOSK_MIDNIGHT_MS))
        fields[event.time] = str(KIOSK_MIDNIGHT_MS + data.draw(st.integers(0, span)))
        for key in event.dedupe.key[:1] if event.dedupe else ():
            fields[key] = str(number)
        log.append(data.draw(encoded(event, fields)))
    shuffled = data.draw(st.permutations(log))
    first, second = fed(name, log), fed(name, shuffled)
    assert first.cells() == second.cells()
    assert all(c.counted == len(log) for c in (*first.counts().values(), *second.counts().values()))


@pytest.mark.parametrize(("name", "reason"), [(n, r) for n in EVENTS for r in reasons(REGISTRY.events[n])])
@given(data=st.data())
@LOGS
def test_bad_records_are_dead_for_the_reason_they_were_made_for(name: str, reason: str, data: st.DataObject) -> None:
    event = REGISTRY.events[name]
    record = data.draw(bad_records(event, reason, KIOSK_MIDNIGHT_MS))
    (outcome,) = ReferenceLane(REGISTRY).feed(name, 0, [(0, record)], now_ms(event, KIOSK_MIDNIGHT_MS))
    assert (outcome.verdict, outcome.reason) == ("dead", reason)


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
@LOGS
def test_good_records_alone_are_counted(name: str, data: st.DataObject) -> None:
    event = REGISTRY.events[name]
    record = data.draw(good_records(event, KIOSK_MIDNIGHT_MS))
    (outcome,) = ReferenceLane(REGISTRY).feed(name, 0, [(0, record)], now_ms(event, KIOSK_MIDNIGHT_MS))
    assert outcome.verdict == "counted", outcome.reason
