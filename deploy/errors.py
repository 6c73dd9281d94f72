"""Errors whose text is meant for the person at the keyboard."""

from typing import ClassVar

FAILURE, USAGE, CONFIGURATION, INTERRUPTED = 1, 2, 78, 130
"""Exit codes beside 0; CONFIGURATION is sysexits.h's EX_CONFIG, INTERRUPTED what shells give for SIGINT."""


class OperatorError(Exception):
    """What went wrong and what to do about it; commands print the text and never a traceback.

    ``what``: one sentence, or a sentence and the lines that prove it. ``hint``: the next thing to try.
    """

    exit_code: ClassVar[int] = FAILURE

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\n  hint: {hint}")
        self.what = what
        self.hint = hint
