"""What a conversion did, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

Progress = Callable[[int, int], None]
"""Called with the bytes written so far and in all."""


@dataclass(frozen=True)
class Report:
    """The result of a conversion, or with `dry_run` what it would be. `notes` are sentences for the user."""

    family: str
    tensors: int
    bytes: int
    seconds: float
    source: Path
    output: Path
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False

    def to_json(self) -> dict[str, object]:
        """Plain values for json.dumps, with a schema number."""
        plain = asdict(self)
        plain |= {"source": str(self.source), "output": str(self.output)}
        plain |= {"files": [str(file) for file in self.files], "notes": list(self.notes)}
        return {"schema": 1, **plain}


class Counter:
    """Adds up bytes and tells `progress` (if there is one) the sum and the total."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)
