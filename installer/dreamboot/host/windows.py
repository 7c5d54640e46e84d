"""Windows: process groups by flag, and patience with antivirus and indexers that hold files open."""

from __future__ import annotations

import contextlib
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

# Sharing violations by scanners last well under a second; ten tries with growing pauses are 5.5 s in all.
TRIES = 10


def own_group() -> Dict[str, Any]:
    """Popen arguments that put the child and everything it starts into one group."""
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the child and its descendants (Windows has no group kill)."""
    from dreamboot.host.platform import end_tree

    end_tree(process)


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[Dict[str, Any]]:
    """Popen arguments for a child that Ctrl-C shall not end: a group of its own gets none."""
    yield own_group()


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
