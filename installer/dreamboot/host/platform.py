"""What differs between POSIX and Windows below a `Host`: process groups, renaming over open files."""

from __future__ import annotations

import contextlib
import subprocess
import sys

if sys.platform == "win32":
    from dreamboot.host.windows import deaf_to_interrupts, end_group, own_group, remove_tree, replace
else:
    from dreamboot.host.posix import deaf_to_interrupts, end_group, own_group, remove_tree, replace

__all__ = ["deaf_to_interrupts", "end_group", "end_tree", "own_group", "remove_tree", "replace"]


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a child and everything that it started, wherever those run, and collect the child."""
    import psutil

    family = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.wait()
