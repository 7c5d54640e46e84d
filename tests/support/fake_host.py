"""A host that answers from dicts and records writes: what the tests of probes, checks and builders ask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from dreamboot.host.base import Child, Completed, ProgramFailed

Answer = Union[str, Completed, Callable[..., Completed]]


class FakeHost:
    """Everything that is not stated does not exist.

    `files`: path → text or bytes (an empty folder: a path ending in "/"). `programs`: command → what it prints, a
    `Completed`, or a function of (argv, env, stdin). A command matches by its first words, the longest match wins, and
    a program's last path part stands for its whole path. `on_path`: name → path of programs found by `which`; the first
    word of every command is found, too. `links`: path → path behind it. `written` records every change.
    """

    def __init__(
        self,
        *,
        system: str = "linux",
        environ: Optional[Mapping[str, str]] = None,
        files: Optional[Mapping[str, Union[str, bytes]]] = None,
        programs: Optional[Mapping[str, Answer]] = None,
        on_path: Optional[Mapping[str, str]] = None,
        links: Optional[Mapping[str, str]] = None,
        free: Optional[Mapping[str, Tuple[int, int]]] = None,
        read_only: Sequence[str] = (),
        delay: float = 0.0,
    ) -> None:
        self._system = system
        self._environ = dict({"HOME": "/home/me", "PATH": "/usr/bin"} if environ is None else environ)
        self.files: Dict[str, bytes] = {}
        self.folders: Dict[str, None] = {}
        # Windows knows a path by any spelling of its letters, and lists it by the one it was given.
        self.spelt: Dict[str, str] = {}
        for path, content in (files or {}).items():
            self.add(path, content)
        self.programs = dict(programs or {})
        self.on_path = dict(on_path or {})
        self.links = {self._key(key): value for key, value in (links or {}).items()}
        self.free = {self._key(key): value for key, value in (free or {}).items()}
        self.read_only = tuple(self._key(path) for path in read_only)
        self.delay = delay
        self.ran: List[Tuple[str, ...]] = []
        self.written: List[Tuple[str, str]] = []

    # -- stating what there is

    def add(self, path: str, content: Union[str, bytes] = "") -> None:
        """Put a file (or, with a path ending in a slash, a folder) there."""
        key = self._key(path)
        for name in str(path).replace("\\", "/").split("/"):
            self.spelt.setdefault(name.lower() if self._system == "windows" else name, name)
        if not str(path).endswith(("/", "\\")):
            self.files[key] = content.encode() if isinstance(content, str) else content
        else:
            self.folders[key] = None
        for parent in self._parents(key):
            self.folders[parent] = None

    def _key(self, path: Union[str, Path]) -> str:
        text = str(path).replace("\\", "/")
        text = text.rstrip("/") or "/"
        return text.lower() if self._system == "windows" else text

    @staticmethod
    def _parents(key: str) -> Iterator[str]:
        while "/" in key.strip("/"):
            key = key.rsplit("/", 1)[0] or "/"
            yield key

    # -- facts about the process

    @property
    def system(self) -> str:
        """As stated."""
        return self._system

    @property
    def environ(self) -> Mapping[str, str]:
        """As stated."""
        return dict(self._environ)

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
        """The stated answer; 127 for a program that is not stated."""
        self.ran.append(tuple(argv))
        answer = self._answer(argv)
        if self.delay:
            time.sleep(min(self.delay, timeout))
            if self.delay >= timeout:
                return Completed(argv=tuple(argv), returncode=124, stderr=f"no answer within {timeout:g} s")
        if answer is None:
            return Completed(argv=tuple(argv), returncode=127, stderr=f"{argv[0]}: not found")
        if isinstance(answer, str):
            return Completed(argv=tuple(argv), returncode=0, stdout=answer)
        return answer if isinstance(answer, Completed) else answer(argv, env, stdin)

    def _answer(self, argv: Sequence[str]) -> Optional[Answer]:
        spelt = (" ".join(argv), " ".join([self._key(argv[0]).rsplit("/", 1)[-1], *argv[1:]]))
        found = [
            command
            for command in self.programs
            for line in spelt
            if line == command or line.startswith((f"{command} ", f"{command}="))
        ]
        return self.programs[max(found, key=len)] if found else None

    def which(self, name: str) -> Optional[str]:
        """A program that is stated in `on_path`, or whose bare name begins a stated command."""
        if name in self.on_path:
            return self.on_path[name]
        stated = {command.split(" ")[0] for command in self.programs}
        return f"/usr/bin/{name}" if name in stated else None

    def read_text(self, path: Path) -> Optional[str]:
        """The stated text."""
        data = self.read_bytes(path)
        return None if data is None else data.decode("utf-8", "replace")

    def read_bytes(self, path: Path, limit: int = -1) -> Optional[bytes]:
        """The stated bytes."""
        data = self.files.get(self._key(self.real_path(path)))
        return data if data is None or limit < 0 else data[:limit]

    def exists(self, path: Path) -> bool:
        """Whether it is stated."""
        key = self._key(path)
        return key in self.files or key in self.folders or key in self.links

    def is_dir(self, path: Path) -> bool:
        """Whether it is a stated folder, or the parent of something stated."""
        return self._key(self.real_path(path)) in self.folders

    def list_dir(self, path: Path) -> Tuple[str, ...]:
        """Names of what is stated in a folder."""
        key = self._key(self.real_path(path)).rstrip("/")
        everything = [*self.files, *self.folders, *self.links]
        inside = {item[len(key) + 1 :].split("/")[0] for item in everything if item.startswith(f"{key}/")}
        return tuple(sorted(self.spelt.get(name, name) for name in inside - {""}))

    def mode_of(self, path: Path) -> Optional[int]:
        """0o644 for every stated file."""
        return 0o644 if self._key(self.real_path(path)) in self.files else None

    def disk_free(self, path: Path) -> Optional[Tuple[int, int]]:
        """The stated room of the path or its nearest stated parent; 100 GiB of 200 GiB where none is stated."""
        key = self._key(path)
        for candidate in (key, *self._parents(key), "/"):
            if candidate in self.free:
                return self.free[candidate]
        return 100 << 30, 200 << 30

    def real_path(self, path: Path) -> Path:
        """The path behind the stated links."""
        key = self._key(path)
        for _ in range(10):
            if key not in self.links:
                break
            key = self._key(self.links[key])
        return Path(key) if key != self._key(path) else Path(path)

    def writable(self, path: Path) -> bool:
        """True unless it lies in a `read_only` folder."""
        key = self._key(path)
        return not any(key == folder or key.startswith(f"{folder}/") for folder in self.read_only)

    # -- changing

    def stream(
        self, argv: Sequence[str], *, env: Optional[Mapping[str, str]] = None, cwd: Optional[Path] = None
    ) -> Iterator[str]:
        """The stated program's lines."""
        answer = self.run(argv, env=env, cwd=cwd)
        yield from answer.stdout.splitlines()
        if answer.returncode:
            raise ProgramFailed(argv, answer.returncode, answer.stderr.splitlines())

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str], output: Path) -> Child:
        """No program runs on here."""
        raise RuntimeError(f"a fake host starts no programs: {argv}")

    def make_dir(self, path: Path) -> None:
        """Recorded."""
        self._change("make folder", path)
        self.add(f"{path}/")

    def write_text(self, path: Path, text: str) -> None:
        """Recorded, and readable afterwards."""
        self._change("write", path)
        self.add(str(path), text)

    def write_bytes(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Recorded, and readable afterwards."""
        self._change("write", path)
        self.add(str(path), data)

    def append_text(self, path: Path, text: str) -> None:
        """Recorded, and readable afterwards."""
        self._change("append", path)
        self.add(str(path), (self.read_text(path) or "") + text)

    def copy_tree(self, source: Path, target: Path, ignore: Sequence[str] = ()) -> None:
        """Recorded; the files below `source` are there afterwards."""
        self._change("copy", target)
        self._place(source, target)

    def move(self, source: Path, target: Path) -> None:
        """Recorded; `source` is gone afterwards."""
        self._change("move", target)
        self._place(source, target)
        self.remove(source)

    def point(self, pointer: Path, target: str) -> None:
        """As `write_text`."""
        self.write_text(pointer, target + "\n")

    def remove(self, path: Path) -> None:
        """Recorded; everything below is gone."""
        self._change("remove", path)
        key = self._key(path)
        for store in (self.files, self.folders):
            for item in [item for item in store if item == key or item.startswith(f"{key}/")]:
                store.pop(item)  # type: ignore[attr-defined]

    def _place(self, source: Path, target: Path) -> None:
        key, new = self._key(source), self._key(target)
        for item, content in list(self.files.items()):
            if item == key or item.startswith(f"{key}/"):
                self.add(new + item[len(key) :], content)

    def _change(self, what: str, path: Any) -> None:
        if not self.writable(path):
            raise PermissionError(13, "Permission denied", str(path))
        self.written.append((what, str(path)))
