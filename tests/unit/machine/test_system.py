"""Operating systems, C libraries, processors, memory, disks, containers and engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List, Mapping

import pytest

from dreamboot.host import Completed, current
from dreamboot.machine.probes.container import parse_cgroup, parse_wsl
from dreamboot.machine.probes.cpu import parse_cpu_list, parse_cpu_max, parse_cpuinfo, parse_quota
from dreamboot.machine.probes.engines import parse_cdi, parse_docker_info, parse_podman_version
from dreamboot.machine.probes.memory import parse_meminfo, within_limit
from dreamboot.machine.probes.system import (
    CURRENT_VERSION,
    FILE_SYSTEM,
    parse_libc,
    parse_long_paths,
    parse_ver,
    parse_windows_version,
)
from dreamboot.machine.survey import survey
from dreamboot.model import Machine
from support.fake_host import Answer, FakeHost


def find(host: FakeHost, *names: str) -> Machine:
    machine = survey(host, Path("/home/me/dreamboot"), names=names, network=False)
    assert [probe.failed for probe in machine.probes] == [""] * len(names)
    return machine


# ---------------------------------------------------------------- operating systems


def test_debian() -> None:
    files = {
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n# x\n',
        "/proc/sys/kernel/arch": "x86_64\n",
        "/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
    }
    machine = find(FakeHost(files=files, programs={"getconf": "glibc 2.36\n"}), "system")
    assert (machine.distribution, machine.os_version) == ("Debian GNU/Linux 12 (bookworm)", "6.1.0-18-amd64")
    assert (machine.arch, machine.libc, machine.libc_version) == ("x86_64", "glibc", "2.36")


def test_alpine_on_arm() -> None:
    def loader(argv, env, stdin) -> Completed:
        return Completed(
            argv=tuple(argv),
            returncode=1,
            stderr="musl libc (aarch64)\nVersion 1.2.4_git20230717\nDynamic Program Loader\n",
        )

    files = {"/etc/os-release": "NAME=Alpine\n", "/lib/ld-musl-aarch64.so.1": ""}
    programs: Mapping[str, Answer] = {"uname -m": "aarch64\n", "/lib/ld-musl-aarch64.so.1": loader}
    machine = find(FakeHost(files=files, programs=programs), "system")
    assert (machine.arch, machine.libc, machine.libc_version) == ("aarch64", "musl", "1.2.4")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("glibc 2.17\n", ("glibc", "2.17")),
        ("ldd (Ubuntu GLIBC 2.35-0ubuntu3.8) 2.35\nCopyright", ("glibc", "2.35")),
        ("ldd (GNU libc) 2.28\n", ("glibc", "2.28")),
        ("musl libc (x86_64)\nVersion 1.1.24\n", ("musl", "1.1.24")),
        ("getconf: unknown variable", None),
        ("", None),
    ],
)
def test_c_libraries(text: str, found: object) -> None:
    assert parse_libc(text) == found


WINDOWS = r"""
HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion
    ProductName    REG_SZ    Windows 10 Pro
    DisplayVersion    REG_SZ    23H2
    CurrentBuildNumber    REG_SZ    22631
    CurrentMajorVersionNumber    REG_DWORD    0xa
    CurrentMinorVersionNumber    REG_DWORD    0x0
    CurrentVersion    REG_SZ    6.3
"""
LONG = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\FileSystem\n    LongPathsEnabled    REG_DWORD    0x{}\n"


def test_windows_11_is_told_by_its_build() -> None:
    programs = {f"reg query {CURRENT_VERSION}": WINDOWS, f"reg query {FILE_SYSTEM}": LONG.format(1)}
    environ = {"PROCESSOR_ARCHITECTURE": "AMD64", "PROCESSOR_IDENTIFIER": "Intel64 Family 6"}
    machine = find(FakeHost(system="windows", environ=environ, programs=programs), "system")
    assert (machine.os_version, machine.distribution) == ("10.0.22631", "Windows 11 Pro 23H2")
    assert (machine.arch, machine.long_paths, machine.libc) == ("x86_64", True, "")


def test_windows_10_and_8() -> None:
    assert parse_windows_version(WINDOWS.replace("22631", "19045"))["distribution"] == "Windows 10 Pro 23H2"
    old = "HKEY_X\n  ProductName  REG_SZ  Windows 8.1\n  CurrentBuild  REG_SZ  9600\n  CurrentVersion  REG_SZ  6.3\n"
    assert parse_windows_version(old) == {"os_version": "6.3.9600", "distribution": "Windows 8.1"}
    assert parse_windows_version("") == {"os_version": "", "distribution": ""}


@pytest.mark.parametrize(
    ("text", "allowed"),
    [(LONG.format(1), True), (LONG.format(0), False), ("HKEY_X\n    A    REG_SZ    b\n", False), ("", None)],
)
def test_long_paths(text: str, allowed: object) -> None:
    assert parse_long_paths(text) is allowed


def test_without_the_registry_the_command_interpreter_tells() -> None:
    programs = {"cmd /c ver": "\r\nMicrosoft Windows [Version 10.0.22631.4317]\r\n"}
    machine = find(FakeHost(system="windows", programs=programs), "system")
    assert (machine.os_version, machine.distribution) == ("10.0.22631", "Windows 11")
    assert parse_ver("Microsoft Windows [versi\u00f3n 10.0.19045.3]")["distribution"] == "Windows 10"
    assert parse_ver("nothing") == {"os_version": "", "distribution": ""}


def test_an_x64_process_on_arm_sees_the_machine() -> None:
    environ = {"PROCESSOR_ARCHITECTURE": "AMD64", "PROCESSOR_IDENTIFIER": "ARMv8 (64-bit) Family 8 Model D4B"}
    assert find(FakeHost(system="windows", environ=environ), "system").arch == "aarch64"
    assert (
        find(
            FakeHost(system="windows", environ={"PROCESSOR_ARCHITECTURE": "x86", "PROCESSOR_ARCHITEW6432": "AMD64"}),
            "system",
        ).arch
        == "x86_64"
    )


def test_macos_under_rosetta() -> None:
    programs = {"sw_vers": "14.5\n", "uname": "x86_64\n", "sysctl": "1\n"}
    machine = find(FakeHost(system="macos", programs=programs), "system")
    assert (machine.os_version, machine.arch, machine.distribution) == ("14.5", "aarch64", "macOS 14.5")


# ---------------------------------------------------------------- processor and memory

CPUINFO = (
    "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse4_2 avx avx2 avx512f\n\n"
    "processor\t: 1\nmodel name\t: AMD EPYC\n"
)


def test_cores_are_those_that_may_be_used() -> None:
    files = {
        "/proc/cpuinfo": CPUINFO * 4,
        "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-5\n",
        "/sys/fs/cgroup/cpu.max": "250000 100000\n",
    }
    machine = find(FakeHost(files=files), "cpu")
    assert (machine.cpu, machine.cpu_cores, machine.cpu_flags) == ("AMD EPYC", 3, ("sse4_2", "avx", "avx2", "avx512f"))
    files["/sys/fs/cgroup/cpu.max"] = "max 100000\n"
    assert find(FakeHost(files=files), "cpu").cpu_cores == 6


def test_arm_and_small_forms() -> None:
    arm = parse_cpuinfo("processor\t: 0\nFeatures\t: fp asimd sve\n")
    assert arm == {"cpu": "", "cpu_cores": 1, "cpu_flags": ("asimd", "sve")}
    assert [parse_cpu_list(text) for text in ("0-3,8", "5", "", "x-y", "3-1")] == [5, 1, 0, 0, 0]
    assert [parse_cpu_max(text) for text in ("50000 100000", "max 100000", "", "1 0")] == [1, None, None, None]
    assert parse_quota("-1", "100000") is None


def test_windows_and_mac_processors() -> None:
    key = "HKEY_X\n    ProcessorNameString    REG_SZ    Intel(R) Core(TM) Ultra 7 155H  \n"
    machine = find(
        FakeHost(system="windows", environ={"NUMBER_OF_PROCESSORS": "22"}, programs={"reg query": key}), "cpu"
    )
    assert (machine.cpu, machine.cpu_cores) == ("Intel(R) Core(TM) Ultra 7 155H", 22)
    machine = find(FakeHost(system="macos", programs={"sysctl": "Apple M2\n8\n"}), "cpu")
    assert (machine.cpu, machine.cpu_cores) == ("Apple M2", 8)


MEMINFO = "MemTotal:       32768000 kB\nMemFree: 1 kB\nMemAvailable:   16384000 kB\nSwapTotal:       2097148 kB\n"


def test_memory_and_a_containers_limit() -> None:
    files = {"/proc/meminfo": MEMINFO, "/dev/shm/": ""}
    machine = find(FakeHost(files=files, free={"/dev/shm": (0, 64 << 20)}), "memory")
    assert (machine.ram_total_mib, machine.ram_free_mib, machine.swap_total_mib, machine.shared_memory_mib) == (
        32000,
        16000,
        2047,
        64,
    )
    files.update({"/sys/fs/cgroup/memory.max": str(8 << 30), "/sys/fs/cgroup/memory.current": str(1 << 30)})
    machine = find(FakeHost(files=files), "memory")
    assert (machine.ram_total_mib, machine.ram_free_mib) == (8192, 7168)


def test_limits_that_are_none() -> None:
    facts = parse_meminfo(MEMINFO)
    assert within_limit(facts, None, None) == facts
    assert within_limit(facts, 1 << 62, 5) == facts
    assert parse_meminfo("") == {}
    assert parse_meminfo("MemTotal: many kB") == {}


def test_memory_of_other_systems_is_read_by_the_library() -> None:
    machine = find(FakeHost(system="windows"), "memory")
    assert machine.ram_total_mib and machine.ram_total_mib > 256


# ---------------------------------------------------------------- disks


def test_each_path_has_its_own_disk() -> None:
    free = {"/home/me/dreamboot": (5 << 30, 10 << 30), "/big": (500 << 30, 1000 << 30), "/ram": (1 << 30, 1 << 30)}
    environ = {"HOME": "/home/me", "TMPDIR": "/ram/tmp", "HF_HOME": "/big/hf"}
    machine = find(FakeHost(environ=environ, free=free, read_only=["/ram"]), "disk")
    told = {disk.purpose: (disk.path, disk.free_mib, disk.writable) for disk in machine.disks}
    assert told["home"] == ("/home/me/dreamboot", 5120, True)
    assert told["tmp"] == ("/ram/tmp", 1024, False)
    assert told["cache"] == ("/big/hf", 512000, True)
    assert set(told) == {"home", "tmp", "cache", "work"}


def test_windows_paths() -> None:
    environ = {"USERPROFILE": r"C:\Users\me", "LOCALAPPDATA": r"D:\Local", "TEMP": r"E:\Temp"}
    machine = find(FakeHost(system="windows", environ=environ), "disk")
    assert [disk.path for disk in machine.disks if disk.purpose in ("tmp", "cache")] == [r"E:\Temp", r"D:\Local"]


# ---------------------------------------------------------------- containers and engines


@pytest.mark.parametrize(
    ("files", "environ", "kind"),
    [
        ({}, {}, ""),
        ({"/.dockerenv": ""}, {}, "docker"),
        ({"/run/.containerenv": 'engine="podman-4.3"'}, {}, "podman"),
        ({"/.dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"/proc/1/environ": "A=b\0container=lxc\0"}, {}, "lxc"),
        ({"/proc/1/environ": "container=systemd-nspawn\0"}, {}, "other"),
        ({"/proc/1/cgroup": "0::/kubepods.slice/x\n"}, {}, "kubernetes"),
        ({"/proc/1/cgroup": "12:cpu:/docker/0123\n"}, {}, "docker"),
        ({"/proc/1/cgroup": "0::/init.scope\n"}, {}, ""),
    ],
)
def test_containers(files: Mapping[str, str], environ: Mapping[str, str], kind: str) -> None:
    assert find(FakeHost(files=files, environ={"HOME": "/h", **environ}), "container").container == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0::/machine.slice/libpod-0f.scope", "podman"),
        ("1:name=systemd:/lxc/web", "lxc"),
        ("0::/system.slice/containerd.service", "other"),
        ("0::/user.slice/user-1000.slice", ""),
        ("9:name=systemd:/", ""),
    ],
)
def test_control_groups(text: str, kind: str) -> None:
    assert parse_cgroup(text) == kind


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("5.15.153.1-microsoft-standard-WSL2", 2),
        ("4.4.0-22621-Microsoft", 1),
        ("6.6.36.6-microsoft-standard-WSL2+", 2),
        ("6.8.0-45-generic", 0),
        ("", 0),
    ],
)
def test_wsl(release: str, version: int) -> None:
    assert parse_wsl(release) == version


DOCKER = {
    "ServerVersion": "28.5.2",
    "Runtimes": {"io.containerd.runc.v2": {}, "nvidia": {}, "runc": {}},
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
    "ClientInfo": {"Version": "28.5.2"},
    "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}],
}
CDI = """cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      name: inner
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
"""


def test_docker_with_every_way_to_a_gpu() -> None:
    files = {"/var/run/docker.sock": "", "/usr/bin/nvidia-ctk": "", "/etc/cdi/nvidia.yaml": CDI}
    (engine,) = find(
        FakeHost(files=files, programs={"docker info": json.dumps(DOCKER), "docker": ""}), "engines"
    ).engines
    assert (engine.name, engine.version, engine.running, engine.rootless) == ("docker", "28.5.2", True, True)
    assert engine.gpu_access == ("runtime", "toolkit", "cdi")
    assert engine.cdi_devices == ("nvidia.com/gpu=0", "nvidia.com/gpu=all")


def test_a_docker_that_does_not_run_is_not_asked() -> None:
    host = FakeHost(programs={"docker": "never"})
    (engine,) = find(host, "engines").engines
    assert (engine.running, engine.gpu_access) == (False, ())
    assert host.ran == []


def test_a_client_without_its_server() -> None:
    told = json.dumps({"ClientInfo": {"Version": "24.0.1"}, "ServerErrors": ["Cannot connect to the Docker daemon"]})
    engine = parse_docker_info(told, (), toolkit=False)
    assert (engine.running, engine.version) == (False, "24.0.1")
    assert parse_docker_info("Cannot connect", (), toolkit=True).gpu_access == ("toolkit",)


def test_podman() -> None:
    def engine(uid: str) -> object:
        files = {"/proc/self/status": f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"}
        (found,) = find(FakeHost(files=files, programs={"podman": "4.3.1\n"}), "engines").engines
        return found.version, found.running, found.rootless

    assert engine("1000") == ("4.3.1", True, True)
    assert engine("0") == ("4.3.1", True, False)
    assert parse_podman_version("Client: x") == ""


def test_cdi_specifications() -> None:
    told = json.dumps({"kind": "amd.com/gpu", "devices": [{"name": "0"}, {"x": 1}]})
    assert parse_cdi(told) == ("amd.com/gpu=0",)
    indented = (
        'kind: "nvidia.com/gpu"\ndevices:\n    - containerEdits:\n        env: []\n      name: GPU-1\n    - name: all\n'
    )
    assert parse_cdi(indented) == ("nvidia.com/gpu=GPU-1", "nvidia.com/gpu=all")
    for text in ("", "{", "kind: x", "devices:\n", "[]", "{}"):
        assert parse_cdi(text) == ()


# ---------------------------------------------------------------- this machine


def test_this_machine(tmp_path: Path) -> None:
    """Everything that any Linux machine has is found on this one, too."""
    machine = survey(current(), tmp_path, network=False)
    failed: List[str] = [f"{probe.probe}: {probe.failed}" for probe in machine.probes if probe.failed]
    assert failed == []
    assert machine.pythons and machine.disks
    assert machine.ram_total_mib and machine.cpu_cores >= 1 and machine.os_version
    if machine.os == "linux":
        assert machine.libc in ("glibc", "musl") and machine.libc_version and machine.distribution
