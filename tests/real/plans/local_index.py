"""A local index on loopback with tiny wheels, named as those of the PyTorch index and of the default index."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import html
import http.server
import threading
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

TAGS = {
    "linux-x86_64": "manylinux_2_28_x86_64",
    "linux-aarch64": "manylinux_2_28_aarch64",
    "windows-x86_64": "win_amd64",
    "macos-aarch64": "macosx_14_0_arm64",
}


def wheel_name(name: str, version: str, python: str, platform: str) -> str:
    """ "torch-2.14.1+cu126-cp312-cp312-win_amd64.whl" and the like; macOS wheels have no ABI tag."""
    tag = "cp" + python.replace(".", "")
    abi = "none" if platform.startswith("macos") else tag
    return f"{name}-{version}-{tag}-{abi}-{TAGS[platform]}.whl"


def write_wheel(folder: Path, filename: str, requires: Sequence[str] = ()) -> None:
    """A wheel that pip and uv take: one module, METADATA, WHEEL and a RECORD with true hashes."""
    name, version = filename.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    tags = "-".join(filename[:-4].split("-")[-3:])
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    members = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tags}\n",
    }
    lines = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text.encode())}")
    members[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / filename, "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)


def write_listing(index: Path) -> None:
    """A simple page (PEP 503) per project folder of an index, with sha256 fragments."""
    for project in [path for path in index.iterdir() if path.is_dir()]:
        links = []
        for wheel in sorted(project.glob("*.whl")):
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            name = wheel.name.replace("+", "%2B")
            links.append(f'<a href="{name}#sha256={digest}">{html.escape(wheel.name)}</a>')
        (project / "index.html").write_text("<!DOCTYPE html><html><body>\n" + "<br>\n".join(links), encoding="utf-8")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    asked: List[str]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(root: Path) -> Iterator[Tuple[str, List[str]]]:
    """(base URL, paths that were asked for) while `root` is served on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(root)))
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def simple_packages(packages: Dict[str, str]) -> List[Tuple[str, str]]:
    """(name, version) of every package with an exact or a lower bound, for pure wheels that stand in for them."""
    found = []
    for name, wanted in packages.items():
        if name not in ("torch", "torchvision"):
            found.append((name.replace("-", "_"), wanted.lstrip("=><~!").split(",")[0].split("+")[0]))
    return found
