"""The real host: this process's machine."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Deque, Iterator, Mapping, Optional, Sequence, Tuple

from dreamboot.host import platform
from dreamboot.host.base import Child, Completed, Host, ProgramFailed

TAIL_LINES = 60


def current() -> Host:
    """The machine that this process runs on."""
    return LocalHost()


def text_of(data: bytes) -> str:
    """What a program printed. Windows' own tools (reg, where) speak the console's code page, most others UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("oem" if sys.platform == "win32" else "utf-8", "replace")


class LocalHost:
    """Answers `Host` with the operating system's own calls."""

    @property
    def system(self) -> str:
        """linux, windows or macos."""
        if sys.platform == "win32":
            return "windows"
        return "macos" if sys.platform == "darwin" else "linux"

    @property
    def environ(self) -> Mapping[str, str]:
        """A copy of the environment variables."""
        return dict(os.environ)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 5.0,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
        stdin: str = "",
    ) -> Completed:
        """Run to the end; see `Host.run`."""
        begun = time.monotonic()

        def done(code: int, out: str = "", err: str = "") -> Completed:
            return Completed(
                argv=tuple(argv), returncode=code, stdout=out, stderr=err, seconds=time.monotonic() - begun
            )

        try:
            process = subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=None if env is None else dict(env), cwd=cwd, **platform.own_group(),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            return done(127, err=str(error))
        try:
            out, err = process.communicate(stdin.encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            platform.end_group(process)
            return done(124, err=f"no answer within {timeout:g} s")
        except BaseException:
            platform.end_group(process)
            raise
        return done(process.returncode, text_of(out), text_of(err))

    def which(self, name: str) -> Optional[str]:
        """Full path of a program on PATH."""
        return shutil.which(name)

    def read_text(self, path: Path) -> Optional[str]:
        """The file's text or None."""
        data = self.read_bytes(path)
        return None if data is None else data.decode("utf-8", "replace")

    def read_bytes(self, path: Path, limit: int = -1) -> Optional[bytes]:
        """The file's bytes or None."""
        try:
            with Path(path).open("rb") as file:
                return file.read(limit)
        except (OSError, ValueError):
            return None

    def exists(self, path: Path) -> bool:
        """Whether something is there."""
        return os.path.lexists(path)

    def is_dir(self, path: Path) -> bool:
        """Whether a folder is there."""
        return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises on forbidden parents before 3.14

    def list_dir(self, path: Path) -> Tuple[str, ...]:
        """Names in a folder, sorted."""
        try:
            return tuple(sorted(os.listdir(path)))  # noqa: PTH208 - names are wanted, not paths
        except OSError:
            return ()

    def mode_of(self, path: Path) -> Optional[int]:
        """The file's permission bits."""
        try:
            return stat.S_IMODE(Path(path).stat().st_mode)
        except OSError:
            return None

    def disk_free(self, path: Path) -> Optional[Tuple[int, int]]:
        """(free, total) bytes."""
        try:
            usage = shutil.disk_usage(nearest_existing(path))
        except OSError:
            return None
        return usage.free, usage.total

    def real_path(self, path: Path) -> Path:
        """The path behind the links."""
        try:
            return Path(os.path.realpath(path))
        except (OSError, ValueError):
            return path

    def device_of(self, path: Path) -> int:
        """The file system's device number."""
        try:
            return nearest_existing(path).stat().st_dev
        except OSError:
            return -1

    def writable(self, path: Path) -> bool:
        """Whether a file could be made there: really tried, because access() lies on read-only mounts and Windows."""
        folder = nearest_existing(path)
        try:
            with tempfile.TemporaryFile(dir=folder):
                return True
        except OSError:
            return False

    def stream(
        self,
        argv: Sequence[str],
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
    ) -> Iterator[str]:
        """Yield the program's lines; see `Host.stream`."""
        # In our own process group: Ctrl-C, and whoever kills the group, reach it too.
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=None if env is None else dict(env), cwd=cwd,
        )  # fmt: skip
        tail: Deque[str] = deque(maxlen=TAIL_LINES)
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        try:
            for raw in process.stdout:
                line = text_of(raw).rstrip("\r\n")
                tail.append(line)
                yield line
            code = process.wait()
        except BaseException:
            platform.end_tree(process)
            raise
        finally:
            process.stdout.close()
        if code:
            raise ProgramFailed(argv, code, tuple(tail))

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str], output: Path) -> Child:
        """Start a program that runs on; see `Host.spawn`."""
        with Path(output).open("ab") as file, platform.deaf_to_interrupts() as options:
            process = subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env=dict(env), **options
            )
        return LocalChild(process)

    def make_dir(self, path: Path) -> None:
        """Make a folder and its parents."""
        Path(path).mkdir(parents=True, exist_ok=True)

    def write_text(self, path: Path, text: str) -> None:
        """Write a file atomically and durably."""
        self.write_bytes(path, text.encode("utf-8"))

    def write_bytes(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file atomically and durably."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            platform.replace(Path(name), path)
        except BaseException:
            Path(name).unlink()
            raise

    def append_text(self, path: Path, text: str) -> None:
        """Append and flush to the disk."""
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def copy_tree(self, source: Path, target: Path, ignore: Sequence[str] = ()) -> None:
        """Copy beside, then rename: `target` appears whole or not at all."""
        target = Path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            copied = beside / "tree"
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns(*ignore))
            make_writable(copied)
            platform.replace(copied, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def link(self, source: Path, target: Path) -> None:
        """A hard link, or a copy."""
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def move(self, source: Path, target: Path) -> None:
        """Rename."""
        platform.replace(Path(source), Path(target))

    def point(self, pointer: Path, target: str) -> None:
        """Swing a pointer file atomically."""
        self.write_text(pointer, target + "\n")

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder."""
        path = Path(path)
        if path.is_dir() and not path.is_symlink():
            platform.remove_tree(path)
        elif os.path.lexists(path):
            path.unlink()


class LocalChild:
    """A started program of this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def poll(self) -> Optional[int]:
        """Its exit code once it has ended."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def end(self) -> None:
        """End it and its descendants."""
        platform.end_tree(self._process)


def make_writable(tree: Path) -> None:
    """A copy from a read-only checkout must be removable again."""
    for folder in [tree, *[path for path in tree.rglob("*") if path.is_dir()]]:
        folder.chmod(0o755)


def nearest_existing(path: Path) -> Path:
    """`path` or the closest of its parents that is there."""
    path = Path(path).absolute()
    for candidate in (path, *path.parents):
        if candidate.is_dir():
            return candidate
    return Path(path.anchor)
