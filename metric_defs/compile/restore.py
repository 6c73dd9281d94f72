"""What a new owner of a lane reads back: the keys that were counted, as the kernel hashed them."""

from __future__ import annotations

from metric_defs.compile.layout import quoted, raw_table
from metric_defs.models import Event


def seen_keys_query(event: Event) -> str:
    """Rows (k_hash FixedString(16), event time Int64) of the counted records of a partition below an offset and after a time.

    Parameters: ``partition``, ``next_offset``, ``after_ms``. Raises ValueError for an event without dedupe key.
    """
    if event.dedupe is None:
        raise ValueError(f"event '{event.event}' has no dedupe key")
    keys = ", ".join(quoted(k) for k in event.dedupe.key)
    return (
        f"SELECT sipHash128({keys}) AS k_hash, {quoted(event.time)} FROM {raw_table(event)} "
        f"WHERE k_partition = {{partition:UInt32}} AND k_verdict = 0 "
        f"AND k_offset < {{next_offset:Int64}} AND {quoted(event.time)} > {{after_ms:Int64}}"
    )
