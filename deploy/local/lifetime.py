"""A process that does not outlive the one that started it."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(sig: int = signal.SIGTERM) -> None:
    """Ask the kernel to send ``sig`` to this process when its parent ends, however the parent ends.

    Works as ``preexec_fn`` of ``subprocess.Popen`` (the setting survives ``exec``) and as the first act of a process.
    The kernel watches the *thread* that started us: start children from a thread that lives as long as the process.
    Only Linux has this; elsewhere the call does nothing. Raises OSError when the kernel refuses.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if os.getppid() != parent:  # the parent ended before the kernel was asked: nobody else will tell us
        os.kill(os.getpid(), sig)
