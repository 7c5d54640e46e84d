"""Ends what a killed build left running: programs that still write into an environment whose builder is gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

# Every program that a build starts inherits it. Who holds the environment's lock and finds it elsewhere knows that
# the builder is dead.
MARK = "DREAMBOOT_BUILDS"
WAIT_SECONDS = 10.0


def end_orphans(environment: Path) -> int:
    """End programs marked with this environment; how many there were. To be called under the environment's lock."""
    import psutil

    wanted = str(environment)
    found: List[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == wanted:
                process.kill()
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or already gone
    psutil.wait_procs(found, timeout=WAIT_SECONDS)
    return len(found)
