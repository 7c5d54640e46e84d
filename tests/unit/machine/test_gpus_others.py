"""GPUs of AMD, Intel and Apple as the files and tools of a stated machine show them."""

from __future__ import annotations

import pytest

from dreamboot.machine.amd.kfd import gfx_name
from dreamboot.machine.amd.naming import parse_amdgpu_ids
from dreamboot.machine.names import amd_integrated, intel_kind, vendor_of
from dreamboot.machine.pci import parse_pci_ids
from dreamboot.machine.probes.apple import parse_sysctl
from dreamboot.model import Vendor
from support.fake_host import FakeHost
from support.gpu_machines import capture, faults, find, linux, pci

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
