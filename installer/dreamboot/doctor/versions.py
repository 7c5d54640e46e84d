"""Versions and requirements as checks need them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Dict, Optional

from dreamboot.doctor.facts.values import Facts


def within(version: str, specifier: str) -> bool:
    """Whether a version satisfies a specifier such as ">=0.26,<1"; local tags are left out, unreadable ones do not."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(_public(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _public(version: str) -> str:
    return version.partition("+")[0]


@lru_cache(maxsize=8192)
def _parsed(text: str) -> Optional[object]:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        # old metadata writes "name (>=1)"
        return Requirement(re.sub(r"\(([^)]*)\)", r"\1", text, count=1))
    except InvalidRequirement:
        return None


def requirement(text: str) -> Optional[object]:
    """A `packaging` Requirement, None when it can't be read."""
    return _parsed(text)


def marker_environment(facts: Facts) -> Dict[str, str]:
    """What markers in requirements mean for the examined interpreter, which is not the running one."""
    system = {"windows": "Windows", "macos": "Darwin"}.get(facts.machine.os, "Linux")
    return {
        "implementation_name": "cpython",
        "implementation_version": facts.target.version or "3.11.0",
        "os_name": "nt" if system == "Windows" else "posix",
        "platform_machine": {"aarch64": "arm64" if system == "Darwin" else "aarch64"}.get(
            facts.machine.arch, "AMD64" if system == "Windows" else facts.machine.arch
        ),
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "python_full_version": facts.target.version or "3.11.0",
        "python_version": facts.target.minor or "3.11",
        "sys_platform": {"Windows": "win32", "Darwin": "darwin"}.get(system, "linux"),
        "extra": "",
    }
