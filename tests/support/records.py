"""Hypothesis strategies for the records of an event: good ones of every shape, bad ones of every row of the table.

The table is that of docs/semantics.md. What it leaves open is left out: nesting between 200 and 2,000 levels, floats as
ids whose text has an exponent, -0, an empty string for an optional field with declared values, numbers too small for a
float, fractions beyond a float's precision, white space and slashes inside an object that stands for a string.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from metric_defs.models import PANE_MS, Event
from tests.support.record_values import bad_value, good_value, key_value, other_value

BASE_MS = 1_772_380_800_000
"""2026-03-01T16:00:00Z: midnight in Asia/Shanghai; most event times lie around it."""
MAX_RECORD_BYTES = 1_048_576
REASONS = (
    "empty", "too_large", "not_json", "missing_field", "bad_field", "unknown_value", "time_out_of_range", "future",
)

_SPACE = st.sampled_from(["", "", "", " ", "\n\t "])
_BROKEN: tuple[bytes, ...] = (
    b" ", b"\x00", b"null", b"true", b"12", b'"text"', b"[]", b"[{}]", b"{", b"}", b"{]", b"{}{}", b"{},", b"{'a': 1}",
    b"{a: 1}", b'{"a" 1}', b'{"a": }', b'{"a": 1,}', b'{,"a": 1}',
    b'{"a": nan}', b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": 01}', b'{"a": +1}', b'{"a": .5}',
    b'{"a": 1.}', b'{"a": 0x10}', b'{"a": 1e}', b'{"a": -}', b'{"a": tru}',
    b'{"a": True}', b'{"a": undefined}', b'{"a": 1 /* no */}', b'{"a": "\n"}', b'{"a": "\x00"}', b'{"a": "\\x41"}',
    b'{"a": "\\u12"}', b'{"a": "open}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00",
)
_UNDECLARED = (
    '"x_note":"未声明 \\ud83d\\uded2"', '"x":[[],{"event_time":1}]', '"":null',
    '"x_big":123456789012345678901234567890', '"x_huge":-' + "9" * 400,
    '"x_deep":' + "[" * 100 + "]" * 100,
)
# appended as one more member of a record that is otherwise good: the whole of it is refused
_POISON: tuple[bytes, ...] = (
    b"NaN", b"-Infinity", b"1e999", b"1E400", b"-1e400", b"01", b"+1", b".5", b'"\\ud800"', b'"\\udc00 x"',
    b'"\\ud83d\\u0041"', b'["\\udfff"]', b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"',
    b'"\xe4\xb8"', b'"\xf5\x80\x80\x80"', b'"tab\t"', b"[1,]", b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
)


def now_ms(event: Event, base_ms: int = BASE_MS) -> int:
    """The worker's clock that goes with these records: late enough for event times that outrun every horizon."""
    return base_ms + 3 * (event.dedupe.horizon if event.dedupe else 0) + 10 * event.allowed_lateness + 3_600_000


def event_times(event: Event, base_ms: int = BASE_MS, far: bool = True) -> st.SearchStrategy[int]:
    """Around ``base_ms``: on and beside the edges of panes and of lateness; ``far``: and of the dedupe horizon."""
    near = st.integers(-30_000, 30_000)
    edges = st.tuples(st.integers(-4, 4), st.sampled_from([-1, 0, 1])).map(lambda t: t[0] * PANE_MS + t[1])
    step = st.sampled_from([-PANE_MS, 0, PANE_MS])
    # with an event at base + disorder these stand exactly at, just before and just behind the lateness boundary
    late = st.tuples(step, st.sampled_from([-1, 0, 1])).map(lambda t: t[0] + t[1] - event.allowed_lateness)
    wait = event.allowed_lateness + event.disorder
    ahead = st.sampled_from([event.disorder - 1, event.disorder, event.disorder + 1, event.allowed_lateness, wait])
    horizon = event.dedupe.horizon + event.disorder if event.dedupe else event.allowed_lateness
    distant = st.sampled_from([horizon - 1, horizon, horizon + 1, horizon + PANE_MS, 3_600_000, -3_600_000, -3_600_001])
    some = st.one_of(near, near, near, edges, edges, late, ahead, *([distant] if far else []))
    return some.map(lambda delta: base_ms + delta)


@st.composite
def fields_of(draw: st.DrawFn, event: Event, base_ms: int = BASE_MS, far: bool = True) -> dict[str, str]:
    """JSON text by field name; optional fields may be absent or null."""
    chosen: dict[str, str] = {}
    for name, spec in event.fields.items():
        shape = "there" if spec.required else draw(st.sampled_from(["there", "there", "there", "null", "absent"]))
        if name == event.time:
            time_ms = draw(event_times(event, base_ms, far))
            chosen[name] = draw(st.sampled_from([f"{time_ms}", f"{time_ms}", f'"{time_ms}"', f"{time_ms}.0"]))
        elif shape == "there":
            chosen[name] = draw(key_value(spec) if event.dedupe and name in event.dedupe.key else good_value(spec))
        elif shape == "null":
            chosen[name] = "null"
    return chosen


@st.composite
def encoded(draw: st.DrawFn, event: Event, fields: dict[str, str]) -> bytes:
    """The fields as one JSON object in varying order and spacing, with undeclared members and a repeated name."""
    tree: dict[str, Any] = {}
    names, turn = list(fields), draw(st.integers(0, len(fields)))
    for name in names[turn:] + names[:turn]:
        here = tree
        *parents, last = (event.fields[name].path or name).split(".")
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = fields[name]
    members = _members(tree)
    if draw(st.booleans()):
        members.insert(draw(st.integers(0, len(members))), draw(st.sampled_from(_UNDECLARED)))
    if members and draw(st.integers(0, 5)) == 0:
        name = draw(st.sampled_from(members)).partition(":")[0]
        members.append(f"{name}:" + draw(st.sampled_from(["null", "1", '"second"', "{}"])))
    gap = draw(_SPACE)
    return (gap + "{" + gap + f",{gap}".join(members) + gap + "}" + gap).encode()


def _members(tree: dict[str, Any]) -> list[str]:
    texts = {name: "{" + ",".join(_members(v)) + "}" if isinstance(v, dict) else v for name, v in tree.items()}
    return [f"{json.dumps(name)}:{text}" for name, text in texts.items()]


@st.composite
def good_records(draw: st.DrawFn, event: Event, base_ms: int = BASE_MS, far: bool = True) -> bytes:
    """Records that are not dead at ``now_ms(event, base_ms)``; they may be duplicate or too late in their company."""
    return draw(encoded(event, draw(fields_of(event, base_ms, far))))


def reasons(event: Event) -> tuple[str, ...]:
    """The reasons a record of this event can be dead for."""
    return tuple(r for r in REASONS if r != "unknown_value" or any(s.values for s in event.fields.values()))


@st.composite
def bad_records(draw: st.DrawFn, event: Event, reason: str, base_ms: int = BASE_MS) -> bytes | None:
    """Records that are dead for ``reason`` at ``now_ms(event, base_ms)``."""
    if reason == "empty":
        return draw(st.sampled_from([None, b""]))
    good = draw(fields_of(event, base_ms))
    if reason == "too_large":
        return draw(encoded(event, good)).ljust(MAX_RECORD_BYTES + 1)
    if reason == "not_json":
        return draw(_not_json(event, good))
    if reason == "time_out_of_range":
        good[event.time] = str(draw(st.sampled_from([0, 1, -1, 946_684_799_999, -(2**53) + 1, base_ms // 1000])))
    elif reason == "future":
        latest = now_ms(event, base_ms) + event.future_cap
        good[event.time] = str(draw(st.sampled_from([latest + 1, latest + 60_000, 2**53 - 1, base_ms * 1000])))
    elif reason == "unknown_value":
        name = draw(st.sampled_from([n for n, s in event.fields.items() if s.values]))
        good[name] = draw(other_value(event.fields[name]))
    else:
        bad = draw(st.sampled_from([n for n, s in event.fields.items() if s.type != "string"]))
        missing = draw(st.sampled_from([n for n, s in event.fields.items() if s.required and n != bad] or [event.time]))
        if reason == "bad_field" or draw(st.integers(0, 3)) == 0:
            good[bad] = draw(bad_value(event.fields[bad]))
        if reason == "missing_field":
            shape = draw(st.sampled_from(["absent", "null", "empty"]))
            good[missing] = '""' if shape == "empty" and event.fields[missing].type == "string" else "null"
            if shape == "absent":
                del good[missing]
    return draw(encoded(event, good))


@st.composite
def _not_json(draw: st.DrawFn, event: Event, fields: dict[str, str]) -> bytes:
    if draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(_BROKEN))
    whole = draw(encoded(event, fields)).strip()
    harm = draw(st.sampled_from(["cut", "trail", "mark", "poison", "poison", "wide", "array"]))
    if harm == "cut":
        return whole[: draw(st.integers(1, len(whole) - 1))]
    if harm == "trail":
        return whole + draw(st.sampled_from([b"}", b"x", b"{}", b",", b"\x00", b" null", b"\xff"]))
    if harm == "poison":
        return whole[:-1] + b',"x_poison":' + draw(st.sampled_from(_POISON)) + b"}"
    if harm == "wide":
        return whole.decode().encode("utf-16")
    return b"\xef\xbb\xbf" + whole if harm == "mark" else b"[" + whole + b"]"


@st.composite
def logs(
    draw: st.DrawFn, event: Event, base_ms: int = BASE_MS, max_size: int = 40, large: bool = False,
) -> list[bytes | None]:
    """A partition's log: good and bad records mixed, some of them sent again.

    ``large`` adds records at and over the size limit, a mebibyte each. Give the kernel ``now_ms(event, base_ms)``.
    """
    kinds = ["good"] * 16 + ["again"] * 4 + [r for r in reasons(event) if large or r != "too_large"]
    kinds += ["at_limit"] * large
    log: list[bytes | None] = []
    # by itself a list strategy seldom makes lists in which records meet each other
    least = draw(st.sampled_from([0, 1, 6, 16]))
    # one event far ahead makes all that follows too late, so most logs have none
    far = draw(st.sampled_from([False, False, True]))
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=min(least, max_size), max_size=max_size)):
        if kind == "again" and log:
            log.append(draw(st.sampled_from(log)))
        elif kind in REASONS:
            log.append(draw(bad_records(event, kind, base_ms)))
        else:
            record = draw(good_records(event, base_ms, far))
            log.append(record.ljust(MAX_RECORD_BYTES) if kind == "at_limit" else record)
    return log
