"""A host that reads through and records every change instead of making it: the whole of `--dry-run`."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from dreamboot.host.base import Child, Completed, Host


class DryRunHost:
    """Wraps a host; `recorded` holds what would have been done, one sentence each."""

    def __init__(self, inner: Host) -> None:
        self._inner = inner
        self.recorded: List[str] = []

    @property
    def system(self) -> str:
        """As the wrapped host."""
        return self._inner.system

    @property
    def environ(self) -> Mapping[str, str]:
        """As the wrapped host."""
        return self._inner.environ

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 5.0,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
        stdin: str = "",
    ) -> Completed:
        """`run` only asks; it passes through."""
        return self._inner.run(argv, timeout=timeout, env=env, cwd=cwd, stdin=stdin)

    def which(self, name: str) -> Optional[str]:
        """As the wrapped host."""
        return self._inner.which(name)

    def read_text(self, path: Path) -> Optional[str]:
        """As the wrapped host."""
        return self._inner.read_text(path)

    def read_bytes(self, path: Path, limit: int = -1) -> Optional[bytes]:
        """As the wrapped host."""
        return self._inner.read_bytes(path, limit)

    def exists(self, path: Path) -> bool:
        """As the wrapped host."""
        return self._inner.exists(path)

    def is_dir(self, path: Path) -> bool:
        """As the wrapped host."""
        return self._inner.is_dir(path)

    def list_dir(self, path: Path) -> Tuple[str, ...]:
        """As the wrapped host."""
        return self._inner.list_dir(path)

    def mode_of(self, path: Path) -> Optional[int]:
        """As the wrapped host."""
        return self._inner.mode_of(path)

    def disk_free(self, path: Path) -> Optional[Tuple[int, int]]:
        """As the wrapped host."""
        return self._inner.disk_free(path)

    def real_path(self, path: Path) -> Path:
        """As the wrapped host."""
        return self._inner.real_path(path)

    def device_of(self, path: Path) -> int:
        """As the wrapped host."""
        return self._inner.device_of(path)

    def writable(self, path: Path) -> bool:
        """As the wrapped host."""
        return self._inner.writable(path)

    def stream(
        self,
        argv: Sequence[str],
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
    ) -> Iterator[str]:
        """Recorded; prints nothing."""
        self.recorded.append("run: " + " ".join(argv))
        return iter(())

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str], output: Path) -> Child:
        """Recorded; a use case that follows a child must not start one in a dry run."""
        self.recorded.append("run: " + " ".join(argv))
        raise RuntimeError("a dry run starts no programs")

    def make_dir(self, path: Path) -> None:
        """Recorded."""
        self.recorded.append(f"make folder: {path}")

    def write_text(self, path: Path, text: str) -> None:
        """Recorded."""
        self.recorded.append(f"write: {path} ({len(text.encode())} bytes)")

    def write_bytes(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Recorded."""
        self.recorded.append(f"write: {path} ({len(data)} bytes)")

    def append_text(self, path: Path, text: str) -> None:
        """Recorded."""
        self.recorded.append(f"append to: {path}")

    def copy_tree(self, source: Path, target: Path, ignore: Sequence[str] = ()) -> None:
        """Recorded."""
        self.recorded.append(f"copy: {source} to {target}")

    def link(self, source: Path, target: Path) -> None:
        """Recorded."""
        self.recorded.append(f"link: {source} to {target}")

    def move(self, source: Path, target: Path) -> None:
        """Recorded."""
        self.recorded.append(f"move: {source} to {target}")

    def point(self, pointer: Path, target: str) -> None:
        """Recorded."""
        self.recorded.append(f"point: {pointer} at {target}")

    def remove(self, path: Path) -> None:
        """Recorded."""
        self.recorded.append(f"remove: {path}")
