"""Installed distributions from their dist-info folders, and what half-done installations left behind."""

# ruff: noqa: PTH112, PTH113, PTH118 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import json
import os
import re
from typing import Dict, Iterable, List, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Package, Torch


def normalised(name: str) -> str:
    """The one spelling of a distribution's name: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(sites: Iterable[str]) -> Tuple[Package, ...]:
    """Every dist-info and egg-info in the folders, in their order: of two with one name the first is imported."""
    found: List[Package] = []
    for site in sites:
        for name in files.names(site):
            if name.startswith("~"):
                continue
            if name.endswith(".dist-info"):
                found.append(_dist_info(site, name))
            elif name.endswith(".egg-info"):
                found.append(_egg_info(site, name))
    return tuple(found)


def leftovers(sites: Iterable[str]) -> Tuple[str, ...]:
    """Folders that pip renamed while it replaced a package, and could not remove."""
    return tuple(os.path.join(site, name) for site in sites for name in files.names(site) if name.startswith("~"))


def path_files(sites: Iterable[str]) -> Dict[str, Tuple[str, ...]]:
    """.pth file → the folders that it puts on sys.path (lines that run code are left out)."""
    found = {}
    for site in sites:
        for name in files.names(site):
            if name.endswith(".pth"):
                lines = [line.strip() for line in files.text(os.path.join(site, name), 20_000).splitlines()]
                folders = tuple(line for line in lines if line and not line.startswith(("#", "import ", "import\t")))
                if folders:
                    found[os.path.join(site, name)] = folders
    return found


def torch_copies(sites: Iterable[str]) -> Tuple[Torch, ...]:
    """Each folder torch/ on the path, in order; the first is imported."""
    found = []
    for site in sites:
        if os.path.isdir(os.path.join(site, "torch")):
            found.append(_torch(site))
    return tuple(found)


def _torch(site: str) -> Torch:
    told = files.text(os.path.join(site, "torch", "version.py"), 20_000)

    def field(name: str) -> str:
        match = re.search(rf"^{name}\s*(?::[^=\n]+)?=\s*['\"]([^'\"]*)['\"]", told, re.MULTILINE)
        return match.group(1) if match else ""

    version, cuda, hip, xpu = field("__version__"), field("cuda"), field("hip"), field("xpu")
    tag = version.partition("+")[2]
    if not re.match(r"(cu|rocm|xpu|cpu)", tag):
        tag = f"cu{cuda.replace('.', '')}" if cuda else f"rocm{'.'.join(hip.split('.')[:2])}" if hip else ""
        tag = tag or ("xpu" if xpu else "cpu" if version else "")
    return Torch(version=version, tag=tag, cuda=cuda, hip=hip, site=site)


def _dist_info(site: str, folder: str) -> Package:
    path = os.path.join(site, folder)
    told = files.text(os.path.join(path, "METADATA"))
    name, version = folder[: -len(".dist-info")].partition("-")[::2]
    headers = _headers(told)
    direct = _direct_url(path)
    return Package(
        name=normalised((headers.get("name") or [name])[0]),
        version=(headers.get("version") or [version])[0],
        site=site,
        folder=path,
        requires=tuple(headers.get("requires-dist", ())),
        requires_python=(headers.get("requires-python") or [""])[0],
        installer=files.text(os.path.join(path, "INSTALLER"), 100).strip(),
        record=os.path.isfile(os.path.join(path, "RECORD")),
        metadata=bool(told),
        editable=_editable(direct),
        origin=str(direct.get("url", "")),
    )


def _egg_info(site: str, folder: str) -> Package:
    path = os.path.join(site, folder)
    headers = _headers(files.text(os.path.join(path, "PKG-INFO") if os.path.isdir(path) else path))
    name, version = folder[: -len(".egg-info")].partition("-")[::2]
    return Package(
        name=normalised((headers.get("name") or [name])[0]),
        version=(headers.get("version") or [version.partition("-py")[0]])[0],
        site=site,
        folder=path,
        installer="distutils",
        metadata=bool(headers),
        record=True,
    )


def _headers(told: str) -> Dict[str, List[str]]:
    """The headers of METADATA; its long description, which follows an empty line, is not read."""
    found: Dict[str, List[str]] = {}
    for line in told.split("\n\n", 1)[0].splitlines():
        key, mark, content = line.partition(":")
        if mark and not key[:1].isspace():
            found.setdefault(key.lower(), []).append(content.strip())
    return found


def _direct_url(path: str) -> Dict[str, object]:
    told = files.text(os.path.join(path, "direct_url.json"), 20_000)
    try:
        read = json.loads(told) if told else {}
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _editable(direct: Dict[str, object]) -> bool:
    told = direct.get("dir_info")
    return isinstance(told, dict) and bool(told.get("editable"))
