"""The one statement by which figures become durable: append a lane's flush if its ledger is where the worker left it."""

from __future__ import annotations

import re

from metric_defs.compile.layout import LEDGER_CUBE, panes_columns, quoted
from metric_defs.registry import Registry

LANE = re.compile(r"[0-9]+-[0-9]+")
FENCED = "metricgrid fenced"
"""Text of the error by which a failed condition is told apart."""


WORKER = re.compile(r"[A-Za-z0-9._-]*")


def append_statement(registry: Registry, lane: str, expected_seq: int, expected_worker: str) -> str:
    """INSERT of one flush, whose body is Native blocks.

    It throws and changes nothing unless the lane's last flush is ``expected_seq`` written by ``expected_worker`` ('' at 0).
    The worker belongs to the condition because the loser of a token is told nothing: a zombie that believes that its own
    flush 5 landed, while another worker's did, must not go on to flush 6.
    """
    if not LANE.fullmatch(lane):
        raise ValueError(f"'{lane}' is no lane; lanes are named COUNT-INDEX")
    if not WORKER.fullmatch(expected_worker):
        raise ValueError(f"'{expected_worker}' is no worker id; letters, digits, '.', '_' and '-' only")
    columns = [c for c in panes_columns(registry) if c.name != "lane"]
    names = ", ".join(quoted(c.name) for c in columns)
    structure = ", ".join(f"{quoted(c.name)} {c.input_type}" for c in columns).replace("'", "\\'")
    return (
        f"INSERT INTO panes (`lane`, {names}) SELECT '{lane}' AS `lane`, {names} FROM input('{structure}') "
        f"WHERE throwIf((SELECT concat(toString(max(`seq`)), ':', argMax(`l_worker`, `seq`)) FROM panes "
        f"WHERE `lane` = '{lane}' AND `cube` = '{LEDGER_CUBE}' AND `seq` >= {expected_seq}) != '{expected_seq}:{expected_worker}', "
        f"'{FENCED}') = 0 FORMAT Native"
    )


def append_settings(lane: str, seq: int) -> dict[str, str]:
    """Settings that make the body one block, hence one part, hence all or nothing; and the token that lands once only."""
    return {
        "insert_deduplication_token": f"{lane}:{seq}",
        "insert_deduplicate": "1",
        "deduplicate_insert_select": "enable_when_possible",
        "min_insert_block_size_rows": "1000000000",
        "min_insert_block_size_bytes": "0",
        "max_insert_threads": "1",
        "max_threads": "1",
        "async_insert": "0",
        "optimize_on_insert": "0",  # a flush has hardly two rows of one key; merging them at once costs more than the insert (make bench-layout)
    }
