"""Reading many windows at once: time is cut so that nothing is read twice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from metric_defs.compile.read import Tile
from metric_defs.compile.read_windows import cuts, stretches

windows = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda w: (w[0] * 10_000, (w[0] + w[1]) * 10_000)),
    min_size=1,
    max_size=6,
)


@given(windows)
def test_stretches_make_up_every_window(spans: list[tuple[int, int]]) -> None:
    pieces = cuts(spans)
    tiles = {piece: (Tile("10s", *piece),) for piece in pieces}
    found = stretches(spans, tiles)
    panes = [
        {pane for s in found if i in s.windows for t in s.tiles for pane in range(t.start_ms, t.end_ms, 10_000)}
        for i in range(len(spans))
    ]
    assert panes == [set(range(start, end, 10_000)) for start, end in spans]
    assert all(a[1] <= b[0] for a, b in pairwise(pieces))
    assert all(s.windows for s in found)
