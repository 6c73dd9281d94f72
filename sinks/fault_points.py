"""Named places where a test can make a worker die, so that each step between fetch and durable figure is really hit.

Off unless the environment variable FAULT_POINT names one (``name`` or ``name:N`` for the N-th time it is reached); then the process is
killed there as ``kill -9`` would, without a chance to tidy up. Off, a point costs one comparison a flush.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from typing import Literal

FaultPoint = Literal[
    "batch_accepted", "records_decoded", "before_raw", "before_figures", "during_figures", "after_figures", "ledger_read"
]
VARIABLE = "FAULT_POINT"

_armed, _, _nth = os.environ.get(VARIABLE, "").partition(":")
_count = itertools.count(1)


def reach(point: FaultPoint, after_s: float = 0) -> None:
    """Die here, or ``after_s`` from here, if this point is armed and this is its time."""
    if point == _armed and next(_count) >= int(_nth or 1):
        if after_s:
            threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)
