"""ClickHouse's Native format for a handful of plain columns: enough to state the ledger beside the kernel's blocks.

Layout (revision 0, as over HTTP): number of columns and of rows as varints, then per column its name, its type and the values.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_PACK = {"UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q", "Int64": "q", "DateTime('UTC')": "I"}


def native_block(columns: Sequence[tuple[str, str, Sequence[int] | Sequence[str]]]) -> bytes:
    """One block of (name, type, values) columns of equal length; types: String, UInt8…64, Int64, DateTime('UTC')."""
    lengths = {len(values) for _, _, values in columns}
    if len(lengths) != 1:
        raise ValueError(f"columns of one block have one length, not {sorted(lengths)}")
    parts = [_varint(len(columns)), _varint(lengths.pop())]
    for name, kind, values in columns:
        parts += [_text(name), _text(kind)]
        if kind == "String":
            parts += [_text(str(v)) for v in values]
        else:
            parts.append(struct.pack(f"<{len(values)}{_PACK[kind]}", *values))
    return b"".join(parts)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data
