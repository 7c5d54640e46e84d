"""How a probe asks: a host with a deadline that notes every question."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from dreamboot.host import Completed, Host

PROBE_SECONDS = 5.0
# Kept for the answer itself: a program is given up this long before its probe must have answered.
MARGIN_SECONDS = 0.5
MOST_NOTED = 40


class Shared:
    """Answers that several probes need: the first one asks, the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: Dict[str, threading.Lock] = {}
        self._answers: Dict[str, Any] = {}

    def once(self, name: str, question: Callable[[], Any]) -> Any:
        """The answer to `question`, asked by whoever comes first under this name."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._answers:
                self._answers[name] = question()
            return self._answers[name]


class Asking:
    """What one probe may use: the host's reading half, dreamboot's home, and whether the network may be asked."""

    def __init__(
        self,
        host: Host,
        home: Path,
        *,
        network: bool = True,
        seconds: float = PROBE_SECONDS,
        shared: Optional[Shared] = None,
    ) -> None:
        self.host = host
        self.home = home
        self.network = network
        self.asked: List[str] = []
        self.shared = shared or Shared()
        # What is known before the slow part of a probe: counts when that part is late.
        self.early: Facts = {}
        self._ends = time.monotonic() + seconds

    @property
    def system(self) -> str:
        """linux, windows or macos."""
        return self.host.system

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables; on Windows, which does not tell letters apart, all in capitals."""
        environ = self.host.environ
        return {name.upper(): text for name, text in environ.items()} if self.system == "windows" else environ

    def remaining(self) -> float:
        """Seconds until a running program must be given up; never negative."""
        return max(0.0, self._ends - MARGIN_SECONDS - time.monotonic())

    def run(
        self, *argv: str, timeout: float = PROBE_SECONDS, env: Optional[Mapping[str, str]] = None, stdin: str = ""
    ) -> Completed:
        """Run a program within `timeout` and what is left of the probe's own time; its messages come in English."""
        limit = min(timeout, self.remaining())
        self.note(" ".join(argv))
        if limit <= 0.0:
            return Completed(argv=tuple(argv), returncode=124, stderr="no time was left to ask")
        english = {**(self.environ if env is None else env), "LC_ALL": "C", "LANG": "C"}
        return self.host.run(argv, timeout=limit, env=english, stdin=stdin)

    def read(self, path: str) -> Optional[str]:
        """A text file, None when it can't be read."""
        text = self.host.read_text(Path(path))
        if text is not None:
            self.note(path)
        return text

    def word(self, path: str) -> str:
        """A small file's text without surrounding space and NULs, "" when it can't be read."""
        return (self.read(path) or "").strip().strip("\0")

    def names(self, folder: str) -> Tuple[str, ...]:
        """Names in a folder."""
        found = self.host.list_dir(Path(folder))
        if found:
            self.note(f"{folder}/")
        return found

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        return self.host.exists(Path(path))

    def note(self, question: str) -> None:
        """Remember a question; the first `MOST_NOTED` different ones are kept."""
        if question not in self.asked and len(self.asked) < MOST_NOTED:
            self.asked.append(question)

    def together(self, questions: Sequence[Callable[[], Any]]) -> List[Any]:
        """Answers of all questions, asked side by side; None for one that raised or was not answered in time."""
        answers: List[Any] = [None] * len(questions)

        def ask(place: int, question: Callable[[], Any]) -> None:
            try:
                answers[place] = question()
            except Exception as error:  # noqa: BLE001 - one bad answer must not cost the others
                self.note(f"failed: {type(error).__name__}: {error}")

        if len(questions) == 1:
            ask(0, questions[0])
            return answers
        threads = [
            threading.Thread(target=ask, args=item, daemon=True, name="question") for item in enumerate(questions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.remaining() + MARGIN_SECONDS / 2)
        return list(answers)


Facts = Dict[str, Any]
"""What a probe answers: values for fields of `Machine`. Tuples of several probes are joined."""
