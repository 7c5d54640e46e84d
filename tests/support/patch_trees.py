"""Small installed trees and patches for them."""

from __future__ import annotations

import difflib
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple

from dreamboot.patching.hunks import lines_of
from dreamboot.patching.record import entry

Tree = Dict[str, Tuple[bytes, int]]


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def install(folder: Path, files: Mapping[str, bytes], *, version: str = "1.0", name: str = "thing") -> Path:
    """A distribution with its METADATA and RECORD in `folder`."""
    info = f"{name}-{version}.dist-info"
    everything = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()}
    for path, data in everything.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    lines = [entry(path, data) for path, data in sorted(everything.items())]
    (folder / info / "RECORD").write_bytes("\n".join([*lines, f"{info}/RECORD,,", ""]).encode())
    return folder


def tree(folder: Path) -> Tree:
    """Every file below `folder`: bytes and mode; folders count as files that end in a slash."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        found[name + "/" if path.is_dir() else name] = (
            (b"", 0) if path.is_dir() else (path.read_bytes(), path.stat().st_mode & 0o777)
        )
    return found


def true_record(folder: Path, info: str = "thing-1.0.dist-info") -> bool:
    """Whether RECORD names exactly the files of the distribution, each with its hash."""
    lines = [line for line in (folder / info / "RECORD").read_text().split("\n") if line]
    for line in lines:
        path = line.rsplit(",", 2)[0].strip('"').replace('""', '"')
        if not line.endswith(",,") and line != entry(path, (folder / path).read_bytes()):
            return False
    named = {line.rsplit(",", 2)[0].strip('"').replace('""', '"') for line in lines}
    there = {p for p in tree(folder) if not p.endswith(("/", ".pyc")) and not p.startswith(".dreamboot-patches")}
    return named == there


def diff(path: str, old: Optional[str], new: Optional[str], context: int = 3) -> str:
    """A unified diff of one file, with marks where the last line has no end; None: no file."""
    names = ("/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}")
    text = ""
    for line in difflib.unified_diff(lines_of(old or ""), lines_of(new or ""), *names, n=context):
        text += line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return text


def patch_text(body: str, *, head: str = "", target: str = "thing ==1.0") -> bytes:
    """A patch file."""
    return f"Description: a change\n why it is needed\nApplies-To: {target}\n{head}---\n{body}".encode()


def wheel(files: Mapping[str, bytes]) -> bytes:
    """A zip with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return out.getvalue()
