"""Compiled packages and the torch that each was built for, from the files that they carry."""

# ruff: noqa: E501, PTH118 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import json
import os
import re
from typing import Iterable, List, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Extension, Package

_BUILT_FOR = re.compile(r"cu(?P<cuda>\d{2,3})[^/]{0,3}?torch(?P<torch>\d+\.\d+(?:\.\d+)?)")


def extensions(packages: Iterable[Package]) -> Tuple[Extension, ...]:
    """One entry for each compiled package that is there (of two copies the imported one)."""
    found: List[Extension] = []
    seen = set()
    for package in packages:
        if package.name in seen:
            continue
        seen.add(package.name)
        reader = _READERS.get(package.name)
        if reader is not None:
            found.append(reader(package))
    return tuple(found)


def _bitsandbytes(package: Package) -> Extension:
    folder = os.path.join(package.site, "bitsandbytes")
    libraries = tuple(name for name in files.names(folder) if name.startswith("libbitsandbytes_"))
    return Extension(name=package.name, version=package.version, libraries=libraries)


def _xformers(package: Package) -> Extension:
    """cpp_lib.json tells what it was built with; older releases only pin torch in their metadata."""
    try:
        told = json.loads(files.text(os.path.join(package.site, "xformers", "cpp_lib.json")) or "{}")
    except ValueError:
        told = {}
    version = told.get("version", {}) if isinstance(told, dict) else {}
    torch = str(version.get("torch", "")) if isinstance(version, dict) else ""
    cuda = str(version.get("cuda") or "") if isinstance(version, dict) else ""
    pin = next(
        (re.search(r"torch\s*\(?==\s*([\d.]+)", one) for one in package.requires if one.startswith("torch")), None
    )
    flash = files.text(os.path.join(package.site, "xformers", "ops", "fmha", "flash.py"), 20_000)
    limits = re.findall(r"FLASH_VER_(?:MIN|LAST)\s*=\s*parse_version\(\s*[\"']([\d.]+)", flash)
    return Extension(
        name=package.name,
        version=package.version,
        torch=torch or (pin.group(1) if pin else ""),
        cuda=cuda,
        needs=f">={limits[0]},<={limits[1]}" if len(limits) == 2 else "",
    )


def _built_wheel(package: Package) -> Extension:
    """flash-attn and SageAttention are installed from wheels whose names (or versions) tell: cu12torch2.5cxx11abiFALSE."""
    told = _BUILT_FOR.search(f"{package.origin} {package.version}")
    return Extension(
        name=package.name,
        version=package.version,
        torch=told.group("torch") if told else "",
        cuda=told.group("cuda") if told else "",
    )


def _torch(package: Package) -> Extension:
    """The Python versions that its compiled module is for: cpython-311-x86_64-linux-gnu, cp311-win_amd64."""
    tags = []
    for name in files.names(os.path.join(package.site, "torch")):
        found = re.match(r"_C\.(?:cpython-|cp)(3)(\d+)", name)
        if found:
            tags.append(f"3.{found.group(2)}")
    return Extension(name="torch", version=package.version, python_tags=tuple(tags))


def _companion(package: Package) -> Extension:
    """torchvision and torchaudio: the pin of their metadata; CUDA from version.py, or from the local version.

    The wheels of the default index have no local version in their metadata; their version.py does.
    """
    told = files.text(os.path.join(package.site, package.name, "version.py"), 20_000)
    version = re.search(r"__version__\s*=\s*['\"]([^'\"]+)", told)
    cuda = re.search(r"^cuda\s*=\s*['\"]([\d.]+)['\"]", told, re.MULTILINE) or re.search(
        r"\+cu(\d{2,3})", f"{version.group(1) if version else ''} {package.version}"
    )
    pin = next(
        (re.search(r"torch\s*\(?==\s*([\d.]+)", one) for one in package.requires if re.match(r"torch\b", one)), None
    )
    return Extension(
        name=package.name,
        version=version.group(1) if version else package.version,
        torch=pin.group(1) if pin else "",
        cuda=_dotted(cuda.group(1)) if cuda else "",
    )


def _dotted(cuda: str) -> str:
    """ "12.6" of "126", and of "12.6"."""
    return cuda if "." in cuda else f"{cuda[:-1]}.{cuda[-1]}"


_READERS = {
    "bitsandbytes": _bitsandbytes,
    "xformers": _xformers,
    "flash-attn": _built_wheel,
    "sageattention": _built_wheel,
    "torch": _torch,
    "torchvision": _companion,
    "torchaudio": _companion,
}
