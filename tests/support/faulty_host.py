"""A real host whose n-th change fails: by an error of the file system, or because the process is gone from there on."""

from __future__ import annotations

from typing import Any

from dreamboot.host.local import LocalHost

CHANGES = ("make_dir", "write_text", "write_bytes", "append_text", "copy_tree", "link", "move", "point", "remove")


class Killed(BaseException):
    """The process was ended here: nothing it does afterwards reaches the disk."""


class FaultyHost(LocalHost):
    """Counts changes in `count`; the one numbered `at` (from 0) raises, with `killed` every later one, too."""

    def __init__(self, at: int = -1, *, killed: bool = False) -> None:
        self.at = at
        self.killed = killed
        self.count = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in CHANGES:
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            number, self.count = self.count, self.count + 1
            if self.at >= 0 and self.killed and number >= self.at:
                raise Killed
            if number == self.at:
                raise PermissionError(13, "held open by another program", str(args[0]))
            return found(*args, **kwargs)

        return counted
