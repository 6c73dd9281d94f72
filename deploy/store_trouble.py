"""Why the store did not answer, without the layers of libraries that each repeat it."""

from __future__ import annotations

import re

from sinks.errors import StoreError, StoreUnavailable

_SYSTEM_REASON = re.compile(r"\[Errno -?\d+\] ([^\"')\]]+)|(timed out|CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER)")
_ADDRESS = re.compile(r"ClickHouse at (\S+)")


def trouble(error: StoreError) -> str:
    """One line: the system's own reason where there is one, else the error's text."""
    text = str(error)
    reason, address = _SYSTEM_REASON.search(text), _ADDRESS.search(text)
    if isinstance(error, StoreUnavailable) and reason and address:
        return f"no ClickHouse answers at {address[1]}: {reason[1] or reason[2]}"
    return text
