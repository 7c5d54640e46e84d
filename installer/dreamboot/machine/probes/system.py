"""Which operating system, on which processor architecture, with which C library."""

from __future__ import annotations

import re
from functools import partial
from typing import Dict, Mapping, Optional, Tuple

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.registry import parse_registry, query

ARCHITECTURES = {
    "x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64",
    "aarch64": "aarch64", "arm64": "aarch64", "armv8": "aarch64", "armv8l": "aarch64",
    "i386": "x86", "i486": "x86", "i586": "x86", "i686": "x86", "x86": "x86",
}  # fmt: skip
# Windows 11 kept the version 10.0; its builds begin here (Microsoft, "Windows 11 release information": 22000 is 21H2).
WINDOWS_11_BUILD = 22000
CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
FILE_SYSTEM = r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem"


def probe(asking: Asking) -> Facts:
    """os, os_version (kernel, Windows build, macOS version), distribution, arch, libc, long_paths."""
    if asking.system == "windows":
        return _windows(asking)
    if asking.system == "macos":
        return _macos(asking)
    return _linux(asking)


def architecture(name: str) -> str:
    """One spelling per architecture: x86_64, aarch64 (also for arm64), x86; unknown names stay as they are."""
    return ARCHITECTURES.get(name.strip().lower(), name.strip().lower())


def _linux(asking: Asking) -> Facts:
    release = parse_os_release(asking.read("/etc/os-release") or asking.read("/usr/lib/os-release") or "")
    machine = asking.word("/proc/sys/kernel/arch") or asking.run("uname", "-m").stdout
    libc, libc_version = _libc(asking)
    return {
        "os_version": asking.word("/proc/sys/kernel/osrelease"),
        "distribution": release.get("PRETTY_NAME") or release.get("NAME", ""),
        "arch": architecture(machine) or "x86_64",
        "libc": libc,
        "libc_version": libc_version,
    }


def _libc(asking: Asking) -> Tuple[str, str]:
    """Name and version of the C library; ("", "") where nothing tells."""
    answer = asking.run("getconf", "GNU_LIBC_VERSION")
    found = parse_libc(answer.stdout)
    if found:
        return found
    # musl's loader says what it is when it is run without a program (on stderr, with a failing exit code).
    loaders = [name for name in asking.names("/lib") if name.startswith("ld-musl-")]
    for command in ([f"/lib/{loaders[0]}"] if loaders else [], ["ldd", "--version"]):
        if command:
            answer = asking.run(*command)
            found = parse_libc(answer.stdout + "\n" + answer.stderr)
            if found:
                return found
    return ("musl", "") if loaders else ("", "")


def parse_libc(text: str) -> Optional[Tuple[str, str]]:
    """What `getconf GNU_LIBC_VERSION`, `ldd --version` or musl's loader print → (name, version)."""
    if "musl libc" in text:
        version = re.search(r"^Version (\d+(?:\.\d+)+)", text, re.M)
        return "musl", version.group(1) if version else ""
    match = re.search(r"^glibc (\d+\.\d+)", text, re.M)
    if match is None and re.search(r"glibc|gnu libc|gnu c library", text, re.I):
        match = re.search(r"(\d+\.\d+)\s*$", text.splitlines()[0]) or re.search(r"\b(2\.\d+)\b", text)
    return ("glibc", match.group(1)) if match else None


def parse_os_release(text: str) -> Dict[str, str]:
    """`/etc/os-release` as a dict, quotes taken off."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


def _windows(asking: Asking) -> Facts:
    current, files = asking.together([partial(query, asking, CURRENT_VERSION), partial(query, asking, FILE_SYSTEM)])
    told = parse_windows_version(current or "")
    if not told["os_version"]:
        # Where an administrator forbids registry tools, the command interpreter still says what it runs on.
        told = parse_ver(asking.run("cmd", "/c", "ver").stdout)
    return {
        **told,
        "arch": windows_architecture(asking.environ),
        "long_paths": parse_long_paths(files or ""),
    }


def parse_windows_version(text: str) -> Facts:
    """`reg query` of CurrentVersion → "10.0.22631" and "Windows 11 Pro 23H2".

    The registry goes on calling Windows 11 "Windows 10" (ProductName); the build number decides.
    """
    values = {name.lower(): value for key in parse_registry(text).values() for name, value in key.items()}
    build = values.get("currentbuildnumber") or values.get("currentbuild") or ""
    product = re.sub(r"^Microsoft\s+", "", values.get("productname", ""))
    if build.isdigit() and int(build) >= WINDOWS_11_BUILD:
        product = re.sub(r"^Windows 10\b", "Windows 11", product)
    major, minor = values.get("currentmajorversionnumber"), values.get("currentminorversionnumber")
    version = f"{_number(major)}.{_number(minor)}" if major and minor else values.get("currentversion", "")
    shown = values.get("displayversion") or values.get("releaseid") or ""
    return {
        "os_version": f"{version}.{build}" if version and build else build,
        "distribution": f"{product} {shown}".strip(),
    }


def parse_ver(text: str) -> Facts:
    """ "Microsoft Windows [Version 10.0.22631.4317]" (the word for version is translated) → version and name."""
    match = re.search(r"\b(\d{1,3}\.\d{1,3}\.(\d{1,6}))", text)
    if match is None:
        return {"os_version": "", "distribution": ""}
    release = {"10.0": "11" if int(match.group(2)) >= WINDOWS_11_BUILD else "10", "6.3": "8.1", "6.1": "7"}
    name = release.get(".".join(match.group(1).split(".")[:2]), "")
    return {"os_version": match.group(1), "distribution": f"Windows {name}".strip()}


def parse_long_paths(text: str) -> Optional[bool]:
    """`reg query` of FileSystem → whether paths over 260 characters are allowed; None when it is not said."""
    for values in parse_registry(text).values():
        for name, value in values.items():
            if name.lower() == "longpathsenabled":
                return _number(value) == "1"
    # The key was there without the value: Windows then behaves as if it were 0.
    return False if parse_registry(text) else None


def windows_architecture(environ: Mapping[str, str]) -> str:
    """The machine's own architecture, seen through emulation: an x64 process on ARM reports AMD64 for itself."""
    if "arm" in environ.get("PROCESSOR_IDENTIFIER", "").lower():
        return "aarch64"
    name = environ.get("PROCESSOR_ARCHITEW6432") or environ.get("PROCESSOR_ARCHITECTURE") or "AMD64"
    return architecture(name)


def _macos(asking: Asking) -> Facts:
    answers = asking.together(
        [
            partial(asking.run, "sw_vers", "-productVersion"),
            partial(asking.run, "uname", "-m"),
            # Under Rosetta uname says x86_64 on an M-series machine; this value does not.
            partial(asking.run, "sysctl", "-n", "hw.optional.arm64"),
        ]
    )
    version, machine, arm = (answer.stdout.strip() if answer else "" for answer in answers)
    return {
        "os_version": version,
        "distribution": f"macOS {version}" if version else "macOS",
        "arch": "aarch64" if arm == "1" else architecture(machine or "x86_64"),
    }


def _number(value: str) -> str:
    """ "0x1" or "1" → "1"."""
    try:
        return str(int(value, 0))
    except ValueError:
        return value
