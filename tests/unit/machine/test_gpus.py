"""GPUs of every maker as the files and tools of a stated machine show them, through the probes themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Mapping, Tuple

import pytest

from dreamboot.host import Completed
from dreamboot.machine.amd.kfd import gfx_name
from dreamboot.machine.amd.naming import parse_amdgpu_ids
from dreamboot.machine.names import amd_integrated, intel_kind, vendor_of
from dreamboot.machine.nvidia.nvml import cuda_version, parse_nvml
from dreamboot.machine.nvidia.proc import parse_information, parse_proc_version
from dreamboot.machine.nvidia.smi_csv import parse_csv
from dreamboot.machine.nvidia.smi_table import parse_table
from dreamboot.machine.pci import parse_pci_ids
from dreamboot.machine.probes.apple import parse_sysctl
from dreamboot.machine.survey import survey
from dreamboot.machine.windows_displays import Adapter, parse_display_class
from dreamboot.model import Machine, Vendor
from support.fake_host import Answer, FakeHost

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
MAKERS = ("amd", "apple", "intel", "nvidia")


def capture(name: str) -> str:
    return (CAPTURES / name).read_text()


def find(host: FakeHost) -> Machine:
    machine = survey(host, Path("/home/me/dreamboot"), names=MAKERS, network=False)
    assert [probe.failed for probe in machine.probes] == [""] * 4
    return machine


def faults(machine: Machine) -> List[str]:
    return [fault.id for fault in machine.faults]


def pci(
    address: str, vendor: str, device: str, driver: str = "", kind: str = "0x030000"
) -> Tuple[Dict[str, str], Dict[str, str]]:
    """(files, links) of one device on the bus."""
    folder = f"/sys/bus/pci/devices/{address}"
    files = {f"{folder}/vendor": f"{vendor}\n", f"{folder}/device": f"{device}\n", f"{folder}/class": f"{kind}\n"}
    return files, ({f"{folder}/driver": f"/sys/bus/pci/drivers/{driver}"} if driver else {})


def linux(
    *devices: Tuple[Dict[str, str], Dict[str, str]], files: Mapping[str, str] = {}, programs: Mapping[str, Answer] = {}
):
    all_files = {**dict(item for more, _ in devices for item in more.items()), **files}
    return FakeHost(
        files=all_files, links=dict(item for _, more in devices for item in more.items()), programs=programs
    )


# ---------------------------------------------------------------- NVIDIA


def test_nothing_of_nvidia_starts_nothing() -> None:
    host = linux(pci("0000:00:01.0", "0x1af4", "0x1050"))
    assert find(host).gpus == ()
    assert host.ran == []


def smi(**outputs: str) -> Mapping[str, Answer]:
    """nvidia-smi's answers by argument; an argument that is not given is not understood."""

    def answer(argv, env, stdin) -> Completed:
        kind = (
            "query"
            if argv[1:] and argv[1].startswith("--query")
            else {"": "table", "-L": "list", "--version": "version", "-q": "xml"}[(argv[1:] or [""])[0]]
        )
        code = 0 if kind in outputs else 2
        return Completed(argv=tuple(argv), returncode=code, stdout=outputs.get(kind, ""))

    return {"nvidia-smi": answer}


def test_without_nvml_the_query_and_the_table_together() -> None:
    name = "windows-geforce-rtx-2080-super__591.86"
    machine = find(linux(programs=smi(query=capture(f"{name}.csv.txt"), table=capture(f"{name}.table.txt"))))
    (gpu,) = machine.gpus
    assert (gpu.name, gpu.compute_capability, gpu.driver_model) == ("NVIDIA GeForce RTX 2080 SUPER", "7.5", "WDDM")
    assert len(gpu.processes) > 3
    assert (machine.drivers[0].version, machine.drivers[0].cuda_version) == ("591.86", "13.1")


def test_an_old_nvidia_smi_refuses_fields_one_by_one() -> None:
    asked: List[str] = []

    def answer(argv, env, stdin) -> Completed:
        fields = argv[1].partition("=")[2].split(",") if argv[1:] else []
        asked.append(",".join(fields))
        for field in ("compute_cap", "mig.mode.current"):
            if field in fields:
                text = f'Field "{field}" is not a valid field to query.\n\n'
                return Completed(argv=tuple(argv), returncode=2, stdout=text)
        if fields:
            return Completed(
                argv=tuple(argv),
                returncode=0,
                stdout=f"{', '.join(fields)}\n0, Tesla K80, GPU-1, 00000000:05:00.0, 418.87, 11441 MiB, 9 MiB, [N/A]\n",
            )
        return Completed(argv=tuple(argv), returncode=0, stdout=capture("linux-titan-xp__450.57.table.txt"))

    (gpu,) = find(linux(programs={"nvidia-smi": answer})).gpus
    assert (gpu.name, gpu.compute_capability, gpu.vram_total_mib) == ("Tesla K80", "", 11441)
    assert len([fields for fields in asked if fields]) == 3


def test_where_the_query_fails_table_and_list_tell_the_whole_name() -> None:
    listed = "GPU 0: NVIDIA GeForce RTX 2080 SUPER (UUID: GPU-1)\n"
    machine = find(linux(programs=smi(table=capture("linux-geforce-rtx-2080-super__595.71.05.table.txt"), list=listed)))
    assert (machine.gpus[0].name, machine.gpus[0].uuid) == ("NVIDIA GeForce RTX 2080 SUPER", "GPU-1")


def test_where_all_else_fails_the_xml() -> None:
    (gpu,) = find(linux(programs=smi(xml=capture("xml-tesla-t4.xml.txt")))).gpus
    assert (gpu.name, gpu.vram_total_mib) == ("Tesla T4", 15360)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("err-nvml-mismatch-new.txt", "nvidia-driver-library-mismatch"),
        ("err-no-devices.txt", "nvidia-no-devices"),
        ("err-nvml-unknown.txt", "nvidia-container-lost-gpu"),
        ("err-wsl-blocked.txt", "nvidia-wsl-blocked"),
        ("err-device-handle.txt", "nvidia-gpu-lost"),
        ("err-libnvml-missing.txt", "nvidia-libnvml-missing"),
    ],
)
def test_error_outputs_become_facts(name: str, fault: str) -> None:
    # "No devices were found" comes with exit code 0 on some systems: all are answered so here.
    machine = find(linux(programs={"nvidia-smi": capture(name)}))
    assert faults(machine) == [fault]
    assert machine.faults[0].vendor is Vendor.NVIDIA
    assert machine.faults[0].evidence


def test_a_mismatch_still_tells_driver_and_cards_from_the_kernel() -> None:
    files = {
        "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 2023\n",
        "/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 130\n"
        "GPU UUID: \t GPU-abc\nBus Location: \t 0000:01:00.0\n",
    }
    machine = find(linux(files=files, programs={"nvidia-smi": capture("err-nvml-mismatch-new.txt")}))
    assert faults(machine) == ["nvidia-driver-library-mismatch"]
    assert (machine.gpus[0].name, machine.gpus[0].uuid) == ("NVIDIA GeForce RTX 3060", "GPU-abc")
    assert machine.drivers[0].version == "535.129.03"


def test_a_card_without_a_driver_is_named_from_the_bus() -> None:
    ids = "10de  NVIDIA\n\t2204  GA102 [GeForce RTX 3090]\n\t\t1458 403b  Gaming OC\n1234  Other\n\t2204  wrong\n"
    host = linux(pci("0000:01:00.0", "0x10de", "0x2204", "nouveau"), files={"/usr/share/misc/pci.ids": ids})
    machine = find(host)
    assert machine.gpus[0].name == "GA102 [GeForce RTX 3090]"
    assert faults(machine) == ["nvidia-driver-not-installed"]
    assert "nouveau" in machine.faults[0].cause
    assert host.ran == []


def test_lspci_names_it_where_there_is_no_list_of_names() -> None:
    device = pci("0000:06:00.0", "0x10de", "0x2236", "vfio-pci", "0x030200")
    machine = find(linux(device, programs={"lspci": capture("lspci_nn-a10.txt")}))
    assert machine.gpus[0].name == "GA102GL [A10]"
    assert "virtual machine" in machine.faults[0].cause


def test_an_nvidia_audio_device_alone_is_no_gpu() -> None:
    assert find(linux(pci("0000:01:00.1", "0x10de", "0x1aef", kind="0x040300"))).gpus == ()


def test_wsl_finds_the_tool_that_windows_brings() -> None:
    name = "linux-geforce-rtx-4080-super__595.71.05"
    host = FakeHost(
        files={"/usr/lib/wsl/lib/nvidia-smi": "", "/usr/lib/wsl/lib/libnvidia-ml.so.1": ""},
        programs={
            "/usr/lib/wsl/lib/nvidia-smi --query-gpu": capture(f"{name}.csv.txt"),
            "/usr/lib/wsl/lib/nvidia-smi": capture(f"{name}.table.txt"),
        },
    )
    machine = find(host)
    assert machine.gpus[0].name == "NVIDIA GeForce RTX 4080 SUPER"
    assert machine.drivers[0].cuda_version == "13.2"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed Oct 27 21:21:55 UTC 2021", "470.82.01"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build", "560.35.03"),
        ("NVRM version: NVIDIA UNIX aarch64 Kernel Module  595.80  x", "595.80"),
        ("", ""),
    ],
)
def test_kernel_module_versions(text: str, version: str) -> None:
    assert parse_proc_version(text) == version


def test_information_without_a_model() -> None:
    assert parse_information("Model: Unknown\n", 0) is None
    assert parse_information("", 0) is None
    told = parse_information("Model: Tesla T4\nGPU UUID: GPU-????????\n", 2)
    assert told is not None
    assert (told.index, told.uuid) == (2, "")


def test_csv_with_lost_and_silent_gpus() -> None:
    text = (
        "index, name, driver_version, memory.total [MiB], compute_cap\n0, NVIDIA A100, 550.1, [GPU is lost], [N/A]\n"
        "1, NVIDIA A100, 550.1, 40960 MiB, 8.0\n"
        "Unable to determine the device handle for GPU2: 0000:34:00.0: GPU is lost.\n"
    )
    reading = parse_csv(text)
    assert [(gpu.index, gpu.vram_total_mib, gpu.compute_capability) for gpu in reading.gpus] == [
        (0, None, ""),
        (1, 40960, "8.0"),
    ]
    assert [fault.id for fault in reading.faults] == ["nvidia-gpu-lost"]


def test_the_oldest_table_has_no_instance_columns() -> None:
    text = capture("linux-titan-xp__450.57.table.txt").replace(
        "|  No running processes found                                                 |",
        "|    0      1720      G   /usr/lib/xorg/Xorg                           173MiB |",
    )
    (process,) = parse_table(text).gpus[0].processes
    assert (process.pid, process.name, process.vram_mib) == (1720, "/usr/lib/xorg/Xorg", 173)


def test_nvml_json_that_is_not_whole() -> None:
    for text in (
        "",
        "[]",
        "{}",
        '{"driver": "1", "cuda": "x", "gpus": []}',
        '{"driver": "1", "cuda": 1, "gpus": [1]}',
        "null",
    ):
        assert parse_nvml(text) is None
    assert [cuda_version(number) for number in (12040, 13000, 11080, 0)] == ["12.4", "13.0", "11.8", ""]


# ---------------------------------------------------------------- Windows

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


# ---------------------------------------------------------------- AMD

AMD_IDS = "744C,\tC8,\tAMD Radeon RX 7900 XTX\n164E,\tC1,\tAMD Radeon 610M\n"


def node(**values: int) -> str:
    return "".join(f"{name} {number}\n" for name, number in values.items())


def amd_desktop(*, compute_device: bool = True) -> FakeHost:
    """A Ryzen with its own small GPU beside a Radeon RX 7900 XTX."""
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    card, inner = "/sys/bus/pci/devices/0000:03:00.0", "/sys/bus/pci/devices/0000:10:00.0"
    files = {
        f"{nodes}/0/properties": node(cpu_cores_count=16, simd_count=0),
        f"{nodes}/1/properties": node(
            cpu_cores_count=0,
            simd_count=192,
            vendor_id=4098,
            device_id=0x744C,
            location_id=768,
            domain=0,
            gfx_target_version=110000,
        ),
        f"{nodes}/1/gpu_id": "17000\n",
        f"{nodes}/1/mem_banks/0/properties": "heap_type 1\nsize_in_bytes 25753026560\n",
        f"{nodes}/2/properties": node(
            cpu_cores_count=0,
            simd_count=4,
            vendor_id=4098,
            device_id=0x164E,
            location_id=4096,
            gfx_target_version=100306,
        ),
        "/sys/class/kfd/kfd/proc/4711/vram_17000": str(3 << 30),
        "/proc/4711/comm": "python3\n",
        "/sys/module/amdgpu/version": "6.8.5\n",
        "/usr/share/libdrm/amdgpu.ids": AMD_IDS,
        f"{card}/revision": "0xc8",
        f"{card}/mem_info_vram_total": "25753026560",
        f"{card}/mem_info_vram_used": "1073741824",
        f"{inner}/revision": "0xc1",
        f"{inner}/mem_info_vram_total": "536870912",
        f"{inner}/mem_info_vram_used": "16777216",
    }
    if compute_device:
        files["/dev/kfd"] = ""
    return linux(
        pci("0000:03:00.0", "0x1002", "0x744c", "amdgpu"),
        pci("0000:10:00.0", "0x1002", "0x164e", "amdgpu"),
        files=files,
    )


def test_an_amd_card_beside_the_processors_own_gpu() -> None:
    host = amd_desktop()
    machine = find(host)
    card, inner = machine.gpus
    assert (card.name, card.gfx, card.integrated) == ("AMD Radeon RX 7900 XTX", "gfx1100", False)
    assert (card.vram_total_mib, card.vram_free_mib, card.pci_id) == (24560, 23536, "0000:03:00.0")
    assert [(process.pid, process.name, process.vram_mib) for process in card.processes] == [(4711, "python3", 3072)]
    assert (inner.name, inner.gfx, inner.integrated, inner.vram_total_mib) == ("AMD Radeon 610M", "gfx1036", True, 512)
    assert machine.drivers[0].version == "6.8.5"
    assert machine.faults == ()
    assert host.ran == []


def test_amd_without_its_compute_device_or_driver() -> None:
    assert faults(find(amd_desktop(compute_device=False))) == ["amd-compute-device-missing"]
    bare = find(linux(pci("0000:03:00.0", "0x1002", "0x73df")))
    assert faults(bare) == ["amd-driver-not-running"]
    assert bare.gpus[0].name == "AMD GPU"


def test_amd_accelerators_count_as_gpus() -> None:
    ids = "1002  Advanced Micro Devices, Inc. [AMD/ATI]\n\t74a1  Aqua Vanjaram [Instinct MI300X]\n"
    machine = find(
        linux(pci("0000:26:00.0", "0x1002", "0x74a1", "amdgpu", "0x120000"), files={"/usr/share/hwdata/pci.ids": ids})
    )
    assert machine.gpus[0].name == "Aqua Vanjaram [Instinct MI300X]"


def test_rocm_tools_where_the_kernel_shows_nothing() -> None:
    machine = find(FakeHost(programs={"rocminfo": capture("rocminfo-MI300X_x4.txt")}))
    assert [gpu.gfx for gpu in machine.gpus] == ["gfx942"] * 4
    machine = find(FakeHost(programs={"rocm-smi": capture("rocm_smi_json-rx6700xt_rocm612.json.txt")}))
    assert (machine.gpus[0].gfx, machine.drivers[0].version) == ("gfx1031", "6.3.6")
    table = {"rocm-smi --showproductname": "", "rocm-smi": capture("rocm_smi-MI300X.table.txt")}
    assert find(FakeHost(programs=table)).gpus[0].name == "AMD Instinct MI300X"


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (110000, "gfx1100"),
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (100301, "gfx1031"),
        (90012, "gfx90c"),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
        (0, ""),
    ],
)
def test_gfx_names(version: int, name: str) -> None:
    assert gfx_name(version) == name


def test_amdgpu_ids() -> None:
    assert parse_amdgpu_ids("# List\n1.0.0\n" + AMD_IDS)[(0x744C, 0xC8)] == "AMD Radeon RX 7900 XTX"


# ---------------------------------------------------------------- Intel, Apple


def test_an_old_intel_adapter_is_listed_and_not_usable() -> None:
    machine = find(linux(pci("0000:00:02.0", "0x8086", "0x3e92", "i915")))
    assert [(gpu.usable, gpu.integrated) for gpu in machine.gpus] == [(False, True)]
    assert machine.faults == ()


def test_arc_and_core_ultra_are_usable() -> None:
    region = (
        "0x0000000080000000 0x0000000080ffffff 0x0000000000140204\n"
        "0x0 0x0 0x0\n"
        "0x0000004000000000 0x00000043ffffffff 0x000000000014220c\n"
    )
    card = "/sys/bus/pci/devices/0000:03:00.0"
    files = {
        f"{card}/resource": region,
        "/usr/lib/x86_64-linux-gnu/libze_intel_gpu.so.1": "",
        "/proc/sys/kernel/osrelease": "6.8.0\n",
    }
    devices = (pci("0000:00:02.0", "0x8086", "0x7d55", "i915"), pci("0000:03:00.0", "0x8086", "0x56a0", "xe"))
    machine = find(linux(*devices, files=files))
    inner, arc = machine.gpus
    assert (inner.usable, inner.integrated, inner.vram_total_mib) == (True, True, None)
    assert (arc.usable, arc.integrated, arc.vram_total_mib) == (True, False, 16384)
    assert [driver.version for driver in machine.drivers] == ["i915, linux 6.8.0", "xe, linux 6.8.0"]
    assert machine.faults == ()


def test_intel_without_its_compute_runtime_or_driver() -> None:
    assert faults(find(linux(pci("0000:03:00.0", "0x8086", "0xe20b", "xe")))) == ["intel-compute-runtime-missing"]
    assert faults(find(linux(pci("0000:03:00.0", "0x8086", "0xe20b")))) == ["intel-driver-not-running"]


@pytest.mark.parametrize(
    ("name", "cpu", "usable", "integrated"),
    [
        ("Intel(R) UHD Graphics 620", "", False, True),
        ("Intel(R) Iris(R) Xe Graphics", "", False, True),
        ("Intel(R) HD Graphics 4000", "", False, True),
        ("Intel(R) Arc(TM) A770 Graphics", "", True, False),
        ("Intel(R) Arc(TM) B580 Graphics", "", True, False),
        ("Intel(R) Arc(TM) Pro A60 Graphics", "", True, False),
        ("Arc A380", "", True, False),
        ("Intel(R) Arc(TM) Graphics", "Intel(R) Core(TM) Ultra 7 155H", True, True),
        ("Intel(R) Arc(TM) 140V GPU (16GB)", "", True, True),
        ("Intel(R) Graphics", "Intel(R) Core(TM) Ultra 5 225U", True, True),
        ("Intel(R) Graphics", "Intel(R) N150", False, True),
        ("Intel(R) Data Center GPU Max 1100", "", True, False),
    ],
)
def test_intel_by_name(name: str, cpu: str, usable: bool, integrated: bool) -> None:
    kind = intel_kind(name, None, cpu)
    assert (kind.usable, kind.integrated) == (usable, integrated)


@pytest.mark.parametrize(
    ("name", "integrated"),
    [
        ("AMD Radeon(TM) Graphics", True), ("AMD Radeon 780M Graphics", True), ("AMD Radeon(TM) 8060S Graphics", True),
        ("AMD Radeon(TM) RX Vega 10 Graphics", True), ("AMD Radeon(TM) Vega 8 Graphics", True),
        ("AMD Radeon 610M", True),
        ("AMD Radeon RX 7900 XTX", False), ("AMD Radeon RX 6800M", False), ("Radeon RX Vega 64", False),
        ("AMD Radeon Pro W7900", False), ("AMD Instinct MI300X", False), ("AMD Radeon RX 7600M XT", False),
    ],
)  # fmt: skip
def test_amd_by_name(name: str, integrated: bool) -> None:
    assert amd_integrated(name, "") is integrated


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("RTX 4090", "nvidia"), ("GeForce GTX 1080", "nvidia"), ("GTX1080", "nvidia"), ("A100", "nvidia"),
        ("H100", "nvidia"), ("L40S", "nvidia"),
        ("Tesla V100-SXM2-16GB", "nvidia"), ("T4", "nvidia"), ("Quadro M4000", "nvidia"), ("TITAN Xp", "nvidia"),
        ("GB10", "nvidia"),
        ("RTX A4000", "nvidia"), ("GT 1030", "nvidia"), ("MX450", "nvidia"), ("P100", "nvidia"),
        ("B200", "nvidia"), ("A10", "nvidia"),
        ("RX 7900 XTX", "amd"), ("RX6700XT", "amd"), ("MI300X", "amd"), ("Radeon VII", "amd"),
        ("gfx1030", "amd"), ("Instinct MI210", "amd"),
        ("Vega 64", "amd"), ("Arc A770", "intel"), ("A770", "intel"), ("Arc B580", "intel"),
        ("Intel UHD Graphics 630", "intel"), ("Iris Xe", "intel"),
        ("Apple M2 Max", "apple"), ("M1", "apple"), ("M4 Pro", "apple"), ("Voodoo 2", None), ("", None),
    ],
)  # fmt: skip
def test_makers_by_name(name: str, vendor: str) -> None:
    found = vendor_of(name)
    assert (found.value if found else None) == vendor


def test_apple() -> None:
    text = "machdep.cpu.brand_string: Apple M2 Max\nhw.memsize: 68719476736\nhw.optional.arm64: 1\n"
    machine = find(FakeHost(system="macos", programs={"sysctl": text}))
    (gpu,) = machine.gpus
    assert (gpu.vendor, gpu.name, gpu.vram_total_mib, gpu.integrated) == (Vendor.APPLE, "Apple M2 Max", 65536, True)
    assert parse_sysctl("machdep.cpu.brand_string: Intel(R) Core(TM) i7\n") is None


def test_pci_ids_of_one_maker() -> None:
    text = "8086  Intel\n\t56a0  DG2 [Arc A770]\n10de  NVIDIA\n\t2204  GA102\nC 03  Display controller\n\t56a0  wrong\n"
    assert parse_pci_ids(text, 0x8086) == {0x56A0: "DG2 [Arc A770]"}
    assert parse_pci_ids(text, 0x10DE) == {0x2204: "GA102"}
    assert parse_pci_ids("", 0x10DE) == {}
