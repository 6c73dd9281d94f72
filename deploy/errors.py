"""Errors whose text is meant for the person at the keyboard."""


class OperatorError(Exception):
    """What went wrong and what to do about it; commands print the text and never a traceback.

    ``what``: one sentence, or a sentence and the lines that prove it. ``hint``: the next thing to try.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\n  hint: {hint}")
        self.what = what
        self.hint = hint
