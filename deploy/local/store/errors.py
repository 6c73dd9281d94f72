"""Faults of the embedded store, in the engine's own numbering, and the HTTP status each is answered with."""

import re

from deploy.errors import OperatorError

SYNTAX_ERROR = 62
READONLY = 164
ACCESS_DENIED = 497
BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
UNKNOWN_EXCEPTION = 1002

# As the server maps them: what a client may correct is 4xx. 429, 503 and 504 are left out on purpose, because
# clickhouse-connect sends those again by itself, and sending a statement again is the caller's decision.
_STATUS = {
    6: 400, 16: 404, 27: 400, 33: 400, 36: 400, 38: 400, 41: 400, 42: 400, 43: 400, 46: 404, 47: 404, 48: 501, 50: 404,
    53: 400, 57: 400, 60: 404, 62: 400, 72: 400, 73: 400, 81: 404, 82: 400, 115: 404, 117: 400, 164: 403, 395: 400,
    456: 400, 457: 400, 497: 403,
}  # fmt: skip
_CODE = re.compile(r"Code: (\d+)\.")


class StoreError(Exception):
    """A statement that was not done. ``code`` is the engine's error number, ``text`` its message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return _STATUS.get(self.code, 500)


class StartError(OperatorError):
    """The store cannot start for a reason of its own (not its data directory's: that is DataDirError)."""


def refused(code: int, name: str, text: str) -> StoreError:
    """A fault found before the engine was asked, worded as the engine words its own."""
    return StoreError(code, f"Code: {code}. DB::Exception: {text} ({name})")


def from_engine(error: Exception) -> StoreError:
    """Read the engine's error number from what its wrapper raised.

    The wrapper decodes messages as UTF-8 and fails with UnicodeDecodeError when a message quotes binary data (a bad
    row, a key): the message itself is then still in the exception.
    """
    text = error.object.decode("utf-8", "replace") if isinstance(error, UnicodeDecodeError) else str(error)
    found = _CODE.search(text)
    return StoreError(int(found[1]) if found else UNKNOWN_EXCEPTION, text)
