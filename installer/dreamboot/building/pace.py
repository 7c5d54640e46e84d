"""How fast downloads go: bytes of all connections counted, rate and time left, and a limit where one is asked for."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Deque, Dict, Optional, Tuple

from dreamboot.model import Event, EventKind

STAGE = "fetch"
# The rate is that of the last seconds: long enough to be steady, short enough to notice a change.
WINDOW_SECONDS = 10.0


class Pace:
    """Shared by all connections of one fetch."""

    def __init__(self, total: int, limit: int = 0) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._due = 0.0
        self._points: Deque[Tuple[float, int]] = deque()
        self._files: Dict[str, Tuple[int, int]] = {}
        self._arrived = 0
        self.total = total
        self.bytes = 0
        self.now = ""
        self.stop = threading.Event()

    def add(self, count: int, name: str, size: int, *, arrived: bool = True) -> None:
        """Count bytes of `name`; `arrived` False for bytes that an earlier call had fetched, or that are taken back."""
        with self._lock:
            self.bytes += count
            if arrived:
                self._arrived += count
            self._files[name] = (self._files.get(name, (0, size))[0] + count, size)
            self.now = name

    def done(self, name: str) -> None:
        """`name` is complete; it is no longer told of."""
        with self._lock:
            self._files.pop(name, None)

    def throttle(self, count: int) -> None:
        """Wait as long as `count` bytes may take under the limit."""
        if not self._limit:
            return
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now) + count / self._limit
            pause = self._due - now
        self.stop.wait(pause)

    def progress(self) -> Event:
        """Where it stands; data: bytes_per_second, seconds_left, files {name: [bytes, size]}."""
        with self._lock:
            rate = self._rate()
            data: Dict[str, object] = {"files": {name: list(entry) for name, entry in self._files.items()}}
            if rate:
                data["bytes_per_second"] = round(rate)
                data["seconds_left"] = round(max(0, self.total - self.bytes) / rate, 1)
            return Event(
                kind=EventKind.PROGRESS, stage=STAGE, message=self.now, done=self.bytes, total=self.total or None,
                unit="bytes", data=data,
            )  # fmt: skip

    def _rate(self) -> Optional[float]:
        now = time.monotonic()
        self._points.append((now, self._arrived))
        while now - self._points[0][0] > WINDOW_SECONDS:
            self._points.popleft()
        begun, before = self._points[0]
        return (self._arrived - before) / (now - begun) if now - begun > 0.5 and self._arrived > before else None
