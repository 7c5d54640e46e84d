"""For which interpreter and platform a lock is made: this machine's, or a stated one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Tuple

from dreamboot.building.tags import supported_tags
from dreamboot.model import DreambootError, Machine, Plan, Problem
from dreamboot.values import value

if TYPE_CHECKING:
    from packaging.tags import Tag

_UV = {
    "windows-x86_64": "x86_64-pc-windows-msvc",
    "windows-aarch64": "aarch64-pc-windows-msvc",
    "macos-x86_64": "x86_64-apple-darwin",
    "macos-aarch64": "aarch64-apple-darwin",
}
# The glibc versions that uv has a platform for.
_UV_GLIBC = (17, 28, *range(31, 41))
_SYSTEM = {"linux": ("posix", "linux", "Linux"), "windows": ("nt", "win32", "Windows"),
           "macos": ("posix", "darwin", "Darwin")}  # fmt: skip
_MACHINE = {("windows", "x86_64"): "AMD64", ("windows", "aarch64"): "ARM64", ("macos", "aarch64"): "arm64"}


@value
class Target:
    """`platform` "": this machine. `libc`: "2.35", "musl-1.2" or a macOS version; "" where it is not known."""

    python: str
    python_path: str = ""
    platform: str = ""
    libc: str = ""

    def tags(self) -> Dict[Tag, int]:
        """The wheel tags that it takes, with their rank."""
        return supported_tags(self.python, self.platform, self.libc)


def target_here(plan: Plan) -> Target:
    """This machine, with the plan's interpreter."""
    return Target(python=plan.python, python_path=plan.python_path)


def target_stated(plan: Plan, machine: Machine) -> Target:
    """The platform of a stated machine. Raises `DreambootError` for one that no resolver knows."""
    libc = machine.os_version if machine.os == "macos" else machine.libc_version
    if machine.libc == "musl":
        libc = f"musl-{machine.libc_version}"
    if machine.os not in _SYSTEM or machine.arch not in ("x86_64", "aarch64"):
        raise DreambootError(
            Problem(
                id="platform-unknown",
                what=f"No lock can be made for {machine.os} on {machine.arch}.",
                cause="PyTorch has builds for Linux, Windows and macOS on x86_64 and aarch64.",
                hint='State os = "linux" or "windows", and arch = "x86_64" or "aarch64", in the --assume file.',
            )
        )
    return Target(python=plan.python, platform=f"{machine.os}-{machine.arch}", libc=libc)


def resolver_words(target: Target) -> Tuple[str, ...]:
    """uv's arguments that name interpreter and platform."""
    if not target.platform:
        return ("--python", target.python_path or target.python)
    return ("--python-version", target.python, "--python-platform", _uv_platform(target))


def _uv_platform(target: Target) -> str:
    if target.platform in _UV:
        return _UV[target.platform]
    arch = target.platform.partition("-")[2]
    if target.libc.startswith("musl"):
        return f"{arch}-unknown-linux-musl"
    minor = int((target.libc or "2.28").split(".")[1])
    fitting = [known for known in _UV_GLIBC if known <= minor]
    return f"{arch}-manylinux_2_{fitting[-1] if fitting else 17}"


def marker_environments(target: Target) -> Tuple[Dict[str, str], ...]:
    """What PEP 508 markers see there, for the first and the last patch release of that Python (which one is open)."""
    from packaging.markers import default_environment

    environment: Dict[str, str] = {key: str(text) for key, text in default_environment().items()}
    minor = ".".join(target.python.split(".")[:2])
    environment.update(
        python_version=minor, implementation_name="cpython", platform_python_implementation="CPython", extra=""
    )
    if target.platform:
        system, _, arch = target.platform.partition("-")
        names = _SYSTEM[system]
        environment.update(
            os_name=names[0], sys_platform=names[1], platform_system=names[2], platform_release="",
            platform_version="", platform_machine=_MACHINE.get((system, arch), arch),
        )  # fmt: skip
    fulls = (f"{minor}.0", f"{minor}.99")
    return tuple({**environment, "python_full_version": full, "implementation_version": full} for full in fulls)
