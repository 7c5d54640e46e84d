"""Windows: process groups by flag, and patience with antivirus and indexers that hold files open."""

from __future__ import annotations

import contextlib
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

# Sharing violations by scanners last well under a second; ten tries with growing pauses are 4.5 s in all.
TRIES = 10
# Access denied, sharing violation, lock violation, and a folder whose last file is deleted but still held open.
HELD = (5, 32, 33, 145)


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
    _patiently(lambda: source.replace(target))


def remove_tree(path: Path) -> None:
    """Remove a folder, clearing read-only marks; again after a pause while something else holds a file in it.

    Raises the last `OSError` when it is held for longer than that.
    """

    def clear_and_retry(function: Callable[..., Any], name: str, _: Any) -> None:
        Path(name).chmod(stat.S_IWRITE)
        function(name)

    def remove() -> None:
        # A try before this one may have got as far as the folder itself.
        if path.exists():
            shutil.rmtree(path, onerror=clear_and_retry)

    if not path.exists():
        raise FileNotFoundError(path)
    _patiently(remove)


def _patiently(act: Callable[[], Any]) -> None:
    for attempt in range(TRIES):
        try:
            act()
            return
        except OSError as error:
            if attempt == TRIES - 1 or not _is_held(error):
                raise
            time.sleep(0.1 * (attempt + 1))


def _is_held(error: OSError) -> bool:
    return isinstance(error, PermissionError) or getattr(error, "winerror", None) in HELD
