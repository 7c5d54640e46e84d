"""What torch's elastic launcher says at its end: which of the processes was killed, or that another host was lost."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Optional

from dreamboot.model import Problem

# One entry of the launcher's list of failures.
_FAILURE = re.compile(r"rank\s*: (\d+) \(local_rank: \d+\)\s+exitcode\s*: (-?\d+) \(pid: \d+\)")
# By the first two the launcher itself ends those that are left; torch aborts after an error that the log tells.
_CONSEQUENCES = (signal.SIGTERM, signal.SIGINT, signal.SIGABRT)
# What a process or its launcher says when those on another host are gone: gloo, NCCL, and torch's meeting point.
_LOST = re.compile(
    r"gloo.*Connection (?:reset|closed) by peer|ncclRemoteError|remote process exited"
    r"|The connection to the C10d store has failed|RendezvousTimeoutError"
)

KILLED = "worker-killed"
LOST = "host-lost"


def killed_worker(log: str, config: Path) -> Optional[Problem]:
    """The Problem of a process that a signal ended; None when none was. `config` is the run's, for the next command.

    The others fail after it, as they lose it: a signal is the cause, an exit code may be a consequence.
    """
    for rank, code in _FAILURE.findall(log):
        number = -int(code)
        if number > 0 and number not in _CONSEQUENCES:
            likely = "Usually the system ran out of memory" if number == 9 else "A crash in a library"
            return Problem(
                id=KILLED,
                what=f"The training process with rank {rank} was killed (signal {number}); the others were ended.",
                cause=f"{likely}. Everything up to the last checkpoint is kept.",
                hint=f"dreamboot train --config {config}   (goes on there; with --restarts 3 it does so by itself)",
            )
    return None


def lost_host(log: str) -> Optional[Problem]:
    """The Problem of a process that lost those on another host; None where the log does not say so.

    To be asked after `killed_worker`, for several hosts: this host then has nothing to blame itself for.
    """
    if _LOST.search(log) is None:
        return None
    return Problem(
        id=LOST,
        what="The connection to another host was lost; training can't go on without it.",
        cause="A process there was killed, the machine was shut down, or the network failed: that host's own messages "
        "tell which. Everything up to the last checkpoint is kept.",
        hint="dreamboot train   (the same command on every host: it goes on)",
    )
