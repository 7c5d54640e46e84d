"""GPUs as Windows' registry and tools show them, through the probes themselves."""

from __future__ import annotations

from dreamboot.machine.windows_displays import Adapter, parse_display_class
from support.fake_host import FakeHost
from support.gpu_machines import capture, find

DISPLAYS = r"""
HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}
    Class    REG_SZ    Display
    (Default)    REG_SZ    Display adapters

HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0000
    DriverDesc    REG_SZ    NVIDIA GeForce RTX 3070 Laptop GPU
    DriverVersion    REG_SZ    32.0.15.6094
    MatchingDeviceId    REG_SZ    pci\ven_10de&dev_249d
    HardwareInformation.qwMemorySize    REG_QWORD    0x200000000
    HardwareInformation.MemorySize    REG_BINARY    FFFFFFFF

HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0000\Settings
    DriverDesc    REG_SZ    not an adapter

HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0001
    DriverDesc    REG_SZ    AMD Radeon(TM) Graphics
    DriverVersion    REG_SZ    31.0.24002.92
    MatchingDeviceId    REG_SZ    PCI\VEN_1002&DEV_1638&REV_C5
    HardwareInformation.qwMemorySize    REG_QWORD    0x20000000

HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0002
    DriverDesc    REG_SZ    AMD Radeon RX 7900 XTX
    DriverVersion    REG_SZ    32.0.12033.1030
    MatchingDeviceId    REG_SZ    PCI\VEN_1002&DEV_744C
    HardwareInformation.qwMemorySize    REG_QWORD    0x600000000

HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0003
    DriverDesc    REG_SZ    Intel(R) UHD Graphics
    DriverVersion    REG_SZ    31.0.101.2111
    MatchingDeviceId    REG_SZ    PCI\VEN_8086&DEV_9BC4

HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0004
    DriverDesc    REG_SZ    Intel(R) Arc(TM) A770 Graphics
    DriverVersion    REG_SZ    32.0.101.5972
    MatchingDeviceId    REG_SZ    PCI\VEN_8086&DEV_56A0
    HardwareInformation.qwMemorySize    REG_QWORD    0x400000000
"""


def test_the_windows_registry_lists_all_makers() -> None:
    host = FakeHost(system="windows", programs={"reg query": DISPLAYS})
    machine = find(host)
    told = {gpu.name: (gpu.vendor.value, gpu.vram_total_mib, gpu.integrated, gpu.usable) for gpu in machine.gpus}
    assert told == {
        "AMD Radeon(TM) Graphics": ("amd", 512, True, True),
        "AMD Radeon RX 7900 XTX": ("amd", 24576, False, True),
        "Intel(R) UHD Graphics": ("intel", None, True, False),
        "Intel(R) Arc(TM) A770 Graphics": ("intel", 16384, False, True),
        "NVIDIA GeForce RTX 3070 Laptop GPU": ("nvidia", 8192, False, True),
    }
    assert {driver.vendor.value: driver.version for driver in machine.drivers} == {
        "amd": "31.0.24002.92",
        "intel": "31.0.101.2111",
        "nvidia": "560.94",
    }
    # Three makers, one question.
    assert len([argv for argv in host.ran if argv[0] == "reg"]) == 1


def test_wmi_where_the_registry_is_silent() -> None:
    machine = find(FakeHost(system="windows", programs={"wmic": capture("wmic-gtx750ti.txt")}))
    assert machine.gpus[0].name == "NVIDIA GeForce GTX 750 Ti"
    # AdapterRAM says 4 GiB for everything larger: no size is better than a wrong one.
    assert machine.gpus[0].vram_total_mib is None
    assert machine.drivers[0].version == "560.94"


def test_powershell_where_wmic_is_gone() -> None:
    machine = find(FakeHost(system="windows", programs={"powershell": capture("wmi-intel-plus-quadro.txt")}))
    assert [(gpu.vendor.value, gpu.usable) for gpu in machine.gpus] == [("intel", False), ("nvidia", True)]


def test_system32_brings_nvml_and_nvidia_smi() -> None:
    name = "windows-geforce-rtx-2080-super__610.62"
    host = FakeHost(
        system="windows",
        environ={"SystemRoot": r"C:\Windows", "PATH": ""},
        files={r"C:\Windows\System32\nvml.dll": "", r"C:\Windows\System32\nvidia-smi.exe": ""},
        programs={
            "nvidia-smi.exe --query-gpu": capture(f"{name}.csv.txt"),
            "nvidia-smi.exe": capture(f"{name}.table.txt"),
        },
    )
    (gpu,) = find(host).gpus
    assert (gpu.driver_model, gpu.vram_total_mib, gpu.name) == ("WDDM", 8192, "NVIDIA GeForce RTX 2080 SUPER")


def test_odd_display_entries() -> None:
    assert parse_display_class("") == ()
    key = r"HKEY_LOCAL_MACHINE\X\0000"
    (adapter,) = parse_display_class(f"{key}\n    DriverDesc    REG_SZ    Microsoft Basic Display Adapter\n")
    assert adapter == Adapter(name="Microsoft Basic Display Adapter")
    assert adapter.nvidia_driver == ""
