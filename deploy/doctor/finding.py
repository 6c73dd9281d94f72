"""One thing the doctor looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """``warn``: works, but look at it; ``hint``: what to do, empty when nothing is to be done."""

    state: Literal["ok", "warn", "fail"]
    what: str
    text: str
    hint: str = ""
