"""A whole package index on loopback, with wheels so small that an environment is built in two seconds."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile

from dreamboot.building.access import Access
from dreamboot.building.order import Order
from dreamboot.building.target import Target
from dreamboot.model import Plan, SourceKind, TorchBuild
from support.fault_server import FaultServer

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TORCH = """
__version__ = "1.0.0"
class version:
    cuda = None
class cuda:
    is_available = staticmethod(lambda: False)
"""
CONFIG = "def load_config_from_file(path):\n    return open(path).read()\n"
# name → files; "ballast" is large enough to be killed in the middle of, and unpacks to hundreds of files.
PACKAGES: dict[str, dict[str, bytes]] = {
    "torch": {"torch/__init__.py": TORCH.encode()},
    "accelerate": {
        "accelerate/__init__.py": b"__version__ = '1.0.0'\n",
        "accelerate/commands/__init__.py": b"",
        "accelerate/commands/config/__init__.py": b"",
        "accelerate/commands/config/config_args.py": CONFIG.encode(),
    },
    "ballast": {
        f"ballast/part_{index}.bin": hashlib.sha512(bytes([index % 256])).digest() * 200 for index in range(300)
    },
    **{f"tiny-{index}": {f"tiny_{index}/__init__.py": b"x = 1\n"} for index in range(4)},
}


def wheel(name: str, files: dict[str, bytes], version: str = "1.0.0", requires: tuple[str, ...] = ()) -> bytes:
    """A valid pure wheel, the same bytes every time."""
    stem = name.replace("-", "_")
    folder = f"{stem}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    content = {
        **files,
        f"{folder}/METADATA": metadata.encode(),
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,{len(data)}\n" for path, data in content.items()) + f"{folder}/RECORD,,\n"
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for path, data in {**content, f"{folder}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return body.getvalue()


def file_name(name: str, version: str = "1.0.0") -> str:
    """The wheel's file name."""
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def pages(packages: dict[str, dict[str, bytes]] = PACKAGES, files_at: str = "/files") -> dict[str, bytes]:
    """Everything that an index serves: path → bytes."""
    served: dict[str, bytes] = {}
    for name, files in packages.items():
        body = wheel(name, files)
        path = f"{files_at}/{file_name(name)}"
        served[path] = body
        metadata = zipfile.ZipFile(io.BytesIO(body)).read(f"{name.replace('-', '_')}-1.0.0.dist-info/METADATA")
        served[f"{path}.metadata"] = metadata
        beside = f'data-core-metadata="sha256={hashlib.sha256(metadata).hexdigest()}"'
        url = f"{path}#sha256={hashlib.sha256(body).hexdigest()}"
        link = f'<a href="{url}" {beside}>{file_name(name)}</a>'
        served[f"/simple/{name}/"] = f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
    return served


def index(faults: dict[str, list[str]] | None = None, **options: object) -> FaultServer:
    """The index as a server; to be used in a `with`."""
    return FaultServer(pages(), faults, **options)  # type: ignore[arg-type]


def plan(**changes: object) -> Plan:
    """A plan of all those packages for the running Python."""
    return Plan(
        python=PYTHON, python_path=sys.executable, profile="tiny",
        torch=TorchBuild(version="1.0.0", tag="cpu", source=SourceKind.DEFAULT_INDEX),
        packages=dict.fromkeys(PACKAGES, "==1.0.0"), accelerate={"num_processes": 1}, **changes,
    )  # type: ignore[arg-type]  # fmt: skip


def order(url: str, name: str = "tiny", *, more: tuple[str, ...] = (), **changes: object) -> Order:
    """The order for that plan from the index at `url`."""
    decided = plan()
    return Order(
        plan=decided, name=name, sources=("--default-index", f"{url}/simple", *more), access=Access(),
        target=Target(python=PYTHON, python_path=sys.executable), **changes,
    )  # type: ignore[arg-type]  # fmt: skip
