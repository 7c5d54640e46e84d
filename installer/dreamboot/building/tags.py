"""Which wheel of a package an interpreter takes: PEP 425 tags, best first, for this platform or a stated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Sequence, Tuple

if TYPE_CHECKING:
    from packaging import tags

# Older names of glibc 2.N (PEP 600).
_ALIASES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
# What a platform is taken to have where the stated machine tells no libc: Debian 10, Ubuntu 20.04, RHEL 8 and newer.
_GLIBC, _MUSL, _MACOS = (2, 28), (1, 2), (13, 0)


def supported_tags(python: str, platform: str = "", libc: str = "") -> Dict[tags.Tag, int]:
    """The tags that CPython `python` ("3.11") takes, each with its rank (0 is best).

    `platform`: "windows-x86_64", "linux-aarch64" …, "" for this machine. `libc`: "2.35", or "musl-1.2".
    """
    from packaging import tags

    version: Tuple[int, ...] = tuple(int(part) for part in python.split(".")[:2])
    platforms = list(platform_tags(platform, libc)) if platform else list(tags.platform_tags())
    ranked: Iterable[tags.Tag] = (
        *tags.cpython_tags(python_version=version, abis=_abis(version), platforms=platforms),
        *tags.compatible_tags(python_version=version, interpreter=f"cp{version[0]}{version[1]}", platforms=platforms),
    )
    return {tag: rank for rank, tag in reversed(list(enumerate(ranked)))}


def _abis(version: Tuple[int, ...]) -> List[str]:
    """The plain build's ABI; left to `packaging` it would be that of the interpreter that runs us."""
    return [f"cp{version[0]}{version[1]}"]


def platform_tags(platform: str, libc: str = "") -> Iterator[str]:
    """Platform tags of a stated platform, best first."""
    from packaging import tags

    system, _, arch = platform.partition("-")
    if system == "windows":
        yield {"x86_64": "win_amd64", "aarch64": "win_arm64"}[arch]
    elif system == "macos":
        yield from tags.mac_platforms(_numbers(libc) or _MACOS, "arm64" if arch == "aarch64" else arch)
    elif libc.startswith("musl"):
        major, minor = _numbers(libc.partition("-")[2]) or _MUSL
        yield from (f"musllinux_{major}_{number}_{arch}" for number in range(minor, -1, -1))
        yield f"linux_{arch}"
    else:
        major, minor = _numbers(libc) or _GLIBC
        oldest = 4 if arch == "x86_64" else 16
        for number in range(minor, oldest, -1):
            yield f"manylinux_{major}_{number}_{arch}"
            if (major, number) in _ALIASES:
                yield f"{_ALIASES[(major, number)]}_{arch}"
        yield f"linux_{arch}"


def _numbers(text: str) -> Tuple[int, int] | None:
    parts = text.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) >= 2 and all(part.isdigit() for part in parts[:2]) else None


def best_wheel(names: Sequence[str], supported: Dict[tags.Tag, int]) -> int:
    """Index of the file name that ranks best; -1 when none fits."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    best, best_rank = -1, len(supported)
    for index, name in enumerate(names):
        try:
            _, _, _, wheel_tags = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue
        rank = min((supported[tag] for tag in wheel_tags if tag in supported), default=len(supported))
        if rank < best_rank:
            best, best_rank = index, rank
    return best
