"""What torch's elastic launcher says at its end: which of the processes was killed."""

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


KILLED = "worker-killed"


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
