"""POSIX: process groups by session, rename is atomic."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, Iterator


def own_group() -> Dict[str, Any]:
    """Popen arguments that put the child and everything it starts into one group."""
    return {"start_new_session": True}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the whole group at once and collect the child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[Dict[str, Any]]:
    """Popen arguments for a child that Ctrl-C shall not end; it is asked to stop in another way.

    A program that is started while SIGINT is ignored goes on ignoring it until it sets a handler of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield {}
    finally:
        signal.signal(signal.SIGINT, before)


def replace(source: Path, target: Path) -> None:
    """Atomic rename."""
    source.replace(target)


def remove_tree(path: Path) -> None:
    """Remove a folder, including read-only ones inside it."""
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(path)
