"""Every torch build that some source offers for this platform: release x tag x source, unjudged."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Optional, Tuple

from dreamboot.catalog import Catalog
from dreamboot.catalog.catalog import PYTORCH_INDEX
from dreamboot.catalog.rows import TorchRelease
from dreamboot.model import Machine, PackageSource, SourceKind, Wish
from dreamboot.planning.question import Candidate, platform_of

Strings = Tuple[str, ...]
ORDER = (
    SourceKind.PYTORCH_INDEX,
    SourceKind.FIND_LINKS,
    SourceKind.CONFIGURED_INDEX,
    SourceKind.DEFAULT_INDEX,
)
_ARCHES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def sources(machine: Machine, wish: Wish) -> Tuple[PackageSource, ...]:
    """The places to look at, in order. A machine that states none is taken to reach the two public indexes."""
    found = list(machine.sources) or [
        PackageSource(kind=SourceKind.PYTORCH_INDEX),
        PackageSource(kind=SourceKind.DEFAULT_INDEX, url=machine.indexes.index_url),
    ]
    if wish.torch_index:
        found = [source for source in found if source.kind is not SourceKind.PYTORCH_INDEX]
        found.append(PackageSource(kind=SourceKind.PYTORCH_INDEX, url=wish.torch_index))
    if wish.index:
        found = [source for source in found if source.kind is not SourceKind.DEFAULT_INDEX]
        found.append(PackageSource(kind=SourceKind.DEFAULT_INDEX, url=wish.index))
    return tuple(sorted(found, key=lambda source: ORDER.index(source.kind)))


def candidates(machine: Machine, wish: Wish, catalog: Catalog) -> Tuple[Candidate, ...]:
    """All candidates, in the order of their sources."""
    found: List[Candidate] = []
    for rank, source in enumerate(sources(machine, wish)):
        fault = _source_fault(source, machine, wish)
        if source.kind in (SourceKind.PYTORCH_INDEX, SourceKind.DEFAULT_INDEX):
            found += _listed(source, machine, catalog, rank, fault)
        else:
            found += _files(source, machine, catalog, rank, fault)
    return tuple(found)


def _source_fault(source: PackageSource, machine: Machine, wish: Wish) -> str:
    if source.reachable is False:
        return source.reason or "it could not be reached"
    remote = source.kind is not SourceKind.FIND_LINKS or "://" in source.url.replace("file://", "")
    if wish.offline and remote and not source.url.startswith("file:"):
        return "--offline forbids the network"
    if machine.indexes.no_index and source.kind is not SourceKind.FIND_LINKS:
        return "pip's configuration says no-index: only find-links folders may be used"
    return ""


def tag_url(base: str, tag: str) -> str:
    """The index of one tag below the PyTorch index or a mirror of it; "{tag}" in `base` is replaced."""
    base = base or PYTORCH_INDEX
    return base.replace("{tag}", tag) if "{tag}" in base else f"{base.rstrip('/')}/{tag}"


def _listed(source: PackageSource, machine: Machine, catalog: Catalog, rank: int, fault: str) -> Iterator[Candidate]:
    """What the catalog says that one of the public indexes holds for this platform."""
    platform = platform_of(machine)
    pytorch = source.kind is SourceKind.PYTORCH_INDEX
    for release in catalog.releases:
        tags = release.index.get(platform, ()) if pytorch else _one(release.default.get(platform, ""))
        for tag in tags:
            yield build(
                release.torch, tag, catalog, platform, kind=source.kind, rank=rank, fault=fault, plain=not pytorch,
                url=tag_url(source.url, tag) if pytorch else source.url, source=source.url,
            )  # fmt: skip


def _one(tag: str) -> Strings:
    return (tag,) if tag else ()


def build(
    version: str, tag: str, catalog: Catalog, platform: str, *, kind: SourceKind, rank: int, fault: str, plain: bool,
    url: str, source: str, pythons: Optional[Strings] = None, unfit: str = "", glibc: str = "",
) -> Candidate:  # fmt: skip
    """One candidate with what the catalog knows of it."""
    release = catalog.release(version)
    compiled = catalog.architectures(version, tag, platform) if tag.startswith("cu") else None
    if pythons is None:
        pythons = _pythons(release, platform) if release else ()
    return Candidate(
        version=version, tag=tag, kind=kind, source=source, url=url, pythons=pythons,
        glibc=glibc or (release.glibc_by_tag.get(tag, release.glibc) if release else ""),
        macos=release.macos if release else "",
        code=compiled.code if compiled else (), ptx=compiled.ptx if compiled else (),
        known=not tag.startswith("cu") or compiled is not None,
        plain=plain, unfit=unfit, source_fault=fault, source_rank=rank,
        unverified=bool(compiled and compiled.unverified) or bool(release and _doubtful(release, kind)),
    )  # fmt: skip


def _pythons(release: TorchRelease, platform: str) -> Strings:
    return release.python_by_platform.get(platform, release.python)


def _doubtful(release: TorchRelease, kind: SourceKind) -> bool:
    return kind is SourceKind.PYTORCH_INDEX and any("is inferred, not listed" in text for text in release.unverified)


# ---------------------------------------------------------------- wheel files of find-links folders and own indexes


def _files(source: PackageSource, machine: Machine, catalog: Catalog, rank: int, fault: str) -> Iterator[Candidate]:
    """Candidates from file names: one per version, local tag and fitness, with all its Pythons."""
    grouped: Dict[Tuple[str, str, str, str], List[str]] = {}
    for name in source.torch_wheels:
        read = _read_wheel(name, machine)
        if read is not None:
            version, local, python, unfit, glibc = read
            grouped.setdefault((version, local, unfit, glibc), []).append(python)
    platform = platform_of(machine)
    for (version, local, unfit, glibc), pythons in grouped.items():
        release = catalog.release(version)
        tag = local or (release.default.get(platform, "") if release else "")
        if machine.os == "macos" and tag == "cpu" and machine.arch == "aarch64":
            tag = "mps"
        yield build(
            version, tag, catalog, platform, kind=source.kind, rank=rank, fault=fault, plain=not local,
            url=source.url, source=source.url, pythons=tuple(pythons), unfit=unfit, glibc=glibc,
        )  # fmt: skip


def _read_wheel(name: str, machine: Machine) -> Optional[Tuple[str, str, str, str, str]]:
    """(version, local tag, Python minor, why it does not fit, glibc) of a torch wheel's file name; None if it is none.

    "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl" → ("2.13.0", "cpu", "3.11", "", "2.28").
    """
    parts = re.sub(r"%2[bB]", "+", name.rsplit("/", 1)[-1])
    if not parts.endswith(".whl"):
        return None
    fields = parts[:-4].split("-")
    if len(fields) not in (5, 6) or fields[0].lower() != "torch":
        return None
    version, _, local = fields[1].partition("+")
    python, abi, platforms = fields[-3:]
    found = re.match(r"cp3(\d+)$", python)
    minor = f"3.{found.group(1)}" if found else python
    # "cp313t" is the ABI of the free-threaded build: a Python of its own.
    return (version, local, minor + ("t" if abi.endswith("t") else ""), *_platform_fit(platforms, machine))


def _platform_fit(tags: str, machine: Machine) -> Tuple[str, str]:
    """("", glibc) when one of the platform tags is this machine's, else (why not, "")."""
    for tag in tags.split("."):
        found = re.match(r"(?:manylinux_(\d+)_(\d+)|manylinux(\d+)|linux)_(\w+)$", tag)
        if found and machine.os == "linux" and _ARCHES.get(found.group(4)) == machine.arch:
            major, minor, named = found.group(1), found.group(2), found.group(3)
            return "", f"{major}.{minor}" if major else ({"2014": "2.17"}.get(named or "", "2.17"))
        if tag == "any":
            return "", ""
        windows = {"win_amd64": "x86_64", "win_arm64": "aarch64"}.get(tag)
        if windows and machine.os == "windows" and windows == machine.arch:
            return "", ""
        apple = re.match(r"macosx_\d+_\d+_(\w+)$", tag)
        arches = ("x86_64", "aarch64") if apple and apple.group(1) == "universal2" else ()
        if apple and machine.os == "macos" and machine.arch in (arches or (_ARCHES.get(apple.group(1)),)):
            return "", ""
    return f"the file is for {tags}", ""
