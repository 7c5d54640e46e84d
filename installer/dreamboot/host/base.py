"""What a host can be asked; the real one, the recording one and the tests' fakes all answer it."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Mapping, Optional, Protocol, Sequence, Tuple

from dreamboot.values import value


@value
class Completed:
    """How a program ended. `returncode` is 127 when it was not found, 124 when it ran past its time limit."""

    argv: Tuple[str, ...]
    returncode: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when the program ran and returned 0."""
        return self.returncode == 0

    @property
    def timed_out(self) -> bool:
        """True when the program was ended because of its time limit."""
        return self.returncode == 124


class Child(Protocol):
    """A program that was started and runs on."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> Optional[int]:
        """Its exit code once it has ended, None before."""

    def ask_to_stop(self) -> None:
        """Close its standard input: our programs then save their work and end. Says nothing to others."""

    def end(self) -> None:
        """End it and everything it started, now."""


class Host(Protocol):
    """Reading methods never raise for what is missing: they answer None, "" or empty. Writing methods raise OSError."""

    # -- facts about the process
    @property
    def system(self) -> str:
        """linux, windows or macos."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of this process (a copy)."""

    # -- reading
    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 5.0,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
        stdin: str = "",
    ) -> Completed:
        """Run a program to its end and keep what it printed (undecodable bytes replaced). Never raises."""

    def which(self, name: str) -> Optional[str]:
        """Full path of a program on PATH."""

    def read_text(self, path: Path) -> Optional[str]:
        """The file's text (UTF-8, undecodable bytes replaced), None when it can't be read."""

    def read_bytes(self, path: Path, limit: int = -1) -> Optional[bytes]:
        """The file's first `limit` bytes (all when negative), None when it can't be read."""

    def exists(self, path: Path) -> bool:
        """Whether something is there."""

    def is_dir(self, path: Path) -> bool:
        """Whether a folder is there."""

    def list_dir(self, path: Path) -> Tuple[str, ...]:
        """Names in a folder, sorted; empty when it can't be read."""

    def mode_of(self, path: Path) -> Optional[int]:
        """A file's permission bits, None when it can't be read."""

    def disk_free(self, path: Path) -> Optional[Tuple[int, int]]:
        """(free, total) bytes of the file system that holds `path` or its nearest existing parent."""

    def real_path(self, path: Path) -> Path:
        """`path` with every symbolic link followed as far as it leads; `path` itself where that can't be told."""

    def device_of(self, path: Path) -> int:
        """A number that is equal for paths on one file system; -1 when unknown."""

    def writable(self, path: Path) -> bool:
        """Whether a file could be made in `path` or, while it does not exist, in its nearest existing parent."""

    # -- changing
    def stream(
        self,
        argv: Sequence[str],
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
    ) -> Iterator[str]:
        """Run a program and yield its lines (stdout and stderr together); raises `ProgramFailed` unless rc is 0.

        The program is ended when the caller stops reading.
        """

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str], output: Path) -> Child:
        """Start a program whose lines go to the file `output` and whose standard input stays open until we end.

        Ctrl-C does not end it: it shall be asked to stop, and save its work.
        """

    def make_dir(self, path: Path) -> None:
        """Make a folder and its parents."""

    def write_text(self, path: Path, text: str) -> None:
        """Write a file atomically: whoever reads sees the old or the new text, never half."""

    def write_bytes(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file atomically, with these permission bits (Windows knows only whether it may be written)."""

    def append_text(self, path: Path, text: str) -> None:
        """Append to a file and flush it to the disk."""

    def copy_tree(self, source: Path, target: Path, ignore: Sequence[str] = ()) -> None:
        """Copy a folder; `target` appears whole or not at all."""

    def link(self, source: Path, target: Path) -> None:
        """A hard link; a copy where the file system has none (exFAT, another drive)."""

    def move(self, source: Path, target: Path) -> None:
        """Rename, replacing a file or an empty folder."""

    def point(self, pointer: Path, target: str) -> None:
        """Make the small file `pointer` hold `target`, atomically (Windows has no symbolic links without rights)."""

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder; nothing there is fine."""


class ProgramFailed(Exception):  # noqa: N818 - reads as what happened
    """A program that had to succeed did not. `tail`: its last lines."""

    def __init__(self, argv: Sequence[str], returncode: int, tail: Sequence[str]) -> None:
        super().__init__(f"{argv[0]} ended with {returncode}")
        self.argv = tuple(argv)
        self.returncode = returncode
        self.tail = tuple(tail)
