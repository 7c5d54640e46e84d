"""Runs the real command line as a user does, from a checkout, and reads what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "installer" / "bootstrap.py"


def command(home: Path, *arguments: str, checkout: Path = ROOT) -> list[str]:
    """The words of one call."""
    return [sys.executable, str(checkout / "installer" / "bootstrap.py"), *arguments, "--home", str(home)]


def call(home: Path, *arguments: str, timeout: float = 1200, **options: Any) -> subprocess.CompletedProcess[str]:
    """One call to its end."""
    return subprocess.run(
        command(home, *arguments), capture_output=True, text=True, timeout=timeout, check=False,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip


def answer(home: Path, *arguments: str, **options: Any) -> dict[str, Any]:
    """The JSON of a call that must succeed."""
    done = call(home, *arguments, "--json", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


class Running:
    """A call in a process group of its own, which can be waited for by what it says, and killed."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            command(home, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, start: str, timeout: float = 600) -> bool:
        """True once a line begins with `start`; False when the call ended without it."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if any(line.startswith(start) for line in list(self.lines)):
                return True
            if self._process.poll() is not None:
                self._reader.join(5)
                return any(line.startswith(start) for line in self.lines)
            time.sleep(0.02)
        raise AssertionError(f"no line {start!r} within {timeout} s:\n" + "\n".join(self.lines[-30:]))

    def is_alive(self) -> bool:
        """Whether the call has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL for the whole process group: nothing gets to clean up."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def interrupt(self) -> int:
        """Ctrl-C, as a terminal sends it; returns the exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(timeout=240)

    def finish(self, timeout: float = 1500) -> int:
        """Wait for the end; returns the exit code."""
        code = self._process.wait(timeout=timeout)
        self._reader.join(5)
        return code
