"""Windows: process groups by flag, and patience with antivirus and indexers that hold files open."""

from __future__ import annotations

import contextlib
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict

GRACE_SECONDS = 30.0
# Sharing violations by scanners last well under a second; ten tries with growing pauses are 5.5 s in all.
TRIES = 10


def own_group() -> Dict[str, Any]:
    """Popen arguments that put the child and everything it starts into one group."""
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the child and its descendants."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()


def interrupt_group(process: subprocess.Popen[bytes]) -> None:
    """Send Ctrl-Break to the group, and end it when it does not stop within `GRACE_SECONDS`."""
    with contextlib.suppress(OSError, ValueError):
        process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE_SECONDS)
    if process.poll() is None:
        end_group(process)


def replace(source: Path, target: Path) -> None:
    """Rename, again after a pause while something else holds one of the files."""
    for attempt in range(TRIES):
        try:
            source.replace(target)
            return
        except PermissionError:
            if attempt == TRIES - 1:
                raise
            time.sleep(0.1 * (attempt + 1))


def remove_tree(path: Path) -> None:
    """Remove a folder, clearing read-only marks."""

    def clear_and_retry(function: Callable[..., Any], name: str, _: Any) -> None:
        Path(name).chmod(stat.S_IWRITE)
        function(name)

    shutil.rmtree(path, onerror=clear_and_retry)
