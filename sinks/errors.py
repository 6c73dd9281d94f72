"""What went wrong with the store, said by type: what the caller must do is in the class."""

from __future__ import annotations


class StoreError(Exception):
    """Base of all store errors."""


class StoreUnavailable(StoreError):
    """Not reached, or answered that it cannot now: the outcome is unknown; ask the ledger, then try again."""


class StoreRejected(StoreError):
    """The store understood and refused; trying the same again will not help. ``code`` is ClickHouse's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Fenced(StoreError):
    """The lane's ledger is not where this worker left it: another owner has written. Drop what is buffered."""
