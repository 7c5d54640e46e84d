"""Machines stated in a file: many spellings, and a friendly word for what no machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest

from dreamboot.machine import assume
from dreamboot.machine.sizes import mebibytes
from dreamboot.machine.stated import state_machine
from dreamboot.machine.stating import capability
from dreamboot.model import DreambootError, Machine, SourceKind, Vendor


def gpu(**stated: Any) -> Any:
    (one,) = state_machine(stated).gpus
    return one


def test_nothing_stated_is_a_linux_machine() -> None:
    machine = state_machine({})
    assert (machine.os, machine.arch, machine.gpus, machine.pythons) == ("linux", "x86_64", (), ())
    assert [source.kind for source in machine.sources] == [SourceKind.PYTORCH_INDEX, SourceKind.DEFAULT_INDEX]
    assert all(source.reachable is None for source in machine.sources)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"os": "win11"}, {"os": "windows", "distribution": "Windows 11", "os_version": "10.0.22631"}),
        ({"os": "Windows 10"}, {"os": "windows", "distribution": "Windows 10", "os_version": "10.0.19045"}),
        ({"os": "windows"}, {"os": "windows", "distribution": ""}),
        ({"windows": "11"}, {"os": "windows", "distribution": "Windows 11"}),
        ({"os": "macOS 14.5"}, {"os": "macos", "os_version": "14.5"}),
        ({"macos": "13.6"}, {"os": "macos", "os_version": "13.6"}),
        ({"os": "Ubuntu 22.04"}, {"os": "linux", "distribution": "Ubuntu 22.04"}),
        ({"os": "alpine"}, {"os": "linux", "libc": "musl"}),
        ({"os": "wsl2"}, {"os": "linux", "wsl": 2}),
        ({"wsl": True}, {"wsl": 2}),
        ({"wsl": 1}, {"wsl": 1}),
        ({"arch": "AMD64"}, {"arch": "x86_64"}),
        ({"arch": "arm64"}, {"arch": "aarch64"}),
        ({"gpu": "Apple M2"}, {"os": "macos", "arch": "aarch64"}),
        ({"ram": "32 GB"}, {"ram_total_mib": 32768}),
        ({"ram_total_mib": 800}, {"ram_total_mib": 800}),
        ({"libc": "glibc 2.17"}, {"libc": "glibc", "libc_version": "2.17"}),
        ({"glibc": 2.28}, {"libc": "glibc", "libc_version": "2.28"}),
        ({"libc": "2.31"}, {"libc": "glibc", "libc_version": "2.31"}),
        ({"container": True}, {"container": "docker"}),
        ({"container": "podman"}, {"container": "podman"}),
        ({"cores": 8}, {"cpu_cores": 8}),
        ({"long_paths": False}, {"long_paths": False}),
    ],
)
def test_spellings(stated: Dict[str, Any], expected: Dict[str, Any]) -> None:
    machine = state_machine(stated)
    assert {name: getattr(machine, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"gpu": "RTX 4090"}, {"vendor": Vendor.NVIDIA, "name": "RTX 4090", "vram_total_mib": None}),
        ({"gpu": "RTX 3060", "vram": "12 GB"}, {"vram_total_mib": 12288}),
        ({"gpu": "RTX 3060", "vram": 12}, {"vram_total_mib": 12288}),
        ({"gpu": "H100", "vram": 80}, {"vram_total_mib": 81920}),
        ({"gpu": "X", "vendor": "nvidia"}, None),
        ({"gpu": {"name": "X", "vendor": "nvidia", "vram": "8192 MiB"}}, {"vram_total_mib": 8192}),
        ({"gpus": [{"name": "A100", "vram_total_mib": 512}]}, {"vram_total_mib": 512}),
        ({"gpu": "RX 7900 XTX", "gfx": "gfx1100"}, {"vendor": Vendor.AMD, "gfx": "gfx1100", "integrated": False}),
        ({"gfx": "gfx1103"}, {"vendor": Vendor.AMD, "name": "gfx1103", "integrated": True}),
        ({"compute_capability": 8.6}, {"vendor": Vendor.NVIDIA, "compute_capability": "8.6"}),
        ({"sm": "sm_120"}, {"compute_capability": "12.0"}),
        ({"gpu": "Intel UHD Graphics 630"}, {"usable": False, "integrated": True}),
        ({"gpu": "Arc A770"}, {"vendor": Vendor.INTEL, "usable": True, "integrated": False}),
        ({"gpu": "Intel Graphics", "cpu": "Core Ultra 7 258V"}, {"usable": True, "integrated": True}),
        ({"gpu": "Apple M3 Max"}, {"vendor": Vendor.APPLE, "integrated": True}),
        ({"gpu": "RTX 2080", "os": "windows", "driver_model": "TCC"}, {"driver_model": "TCC"}),
        ({"gpu": "A100", "mig": True}, None),
        ({"gpu": {"name": "A100", "mig": True}}, {"mig": True}),
    ],
)
def test_gpus(stated: Dict[str, Any], expected: Any) -> None:
    if expected is None:
        with pytest.raises(DreambootError):
            state_machine(stated)
        return
    one = gpu(**stated)
    assert {name: getattr(one, name) for name in expected} == expected


def test_several_gpus_are_numbered_by_maker() -> None:
    machine = state_machine(
        {"gpus": ["2x RTX 3090", "Radeon RX 6800", {"name": "GTX 1080", "count": 2}, "Tesla T4 x2"]}
    )
    assert [(one.vendor.value, one.index, one.name) for one in machine.gpus] == [
        ("nvidia", 0, "RTX 3090"), ("nvidia", 1, "RTX 3090"), ("amd", 0, "Radeon RX 6800"),
        ("nvidia", 2, "GTX 1080"), ("nvidia", 3, "GTX 1080"), ("nvidia", 4, "Tesla T4"), ("nvidia", 5, "Tesla T4"),
    ]  # fmt: skip
    assert state_machine({"gpu": "none"}).gpus == ()
    assert state_machine({"gpu": []}).gpus == ()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"driver": "580.65"}, ("nvidia", "580.65", "")),
        ({"driver": 535}, ("nvidia", "535", "")),
        ({"driver": "31.0.15.5176", "gpu": "RTX 3070"}, ("nvidia", "551.76", "")),
        ({"driver_version": "535.54", "cuda": 12.2}, ("nvidia", "535.54", "12.2")),
        ({"gpu": "RX 6800", "driver": "6.3.6"}, ("amd", "6.3.6", "")),
        ({"driver": {"version": "572.16", "cuda": "12.8"}}, ("nvidia", "572.16", "12.8")),
        ({"gpu": {"name": "RTX 4090", "driver": "550.90"}}, ("nvidia", "550.90", "")),
        ({"cuda_version": "12.4", "gpu": "RTX 4090"}, ("nvidia", "", "12.4")),
        ({"drivers": [{"vendor": "intel", "version": "xe"}]}, ("intel", "xe", "")),
    ],
)
def test_drivers(stated: Dict[str, Any], expected: Any) -> None:
    (driver,) = state_machine(stated).drivers
    assert (driver.vendor.value, driver.version, driver.cuda_version) == expected


def test_pythons_disks_and_indexes() -> None:
    machine = state_machine(
        {
            "python": ["3.11", "3.13t", "3.9-32", "3.12.4", {"version": "3.10", "kind": "conda"}],
            "disk": "20 GB",
            "find_links": "/wheels",
            "indexes": {"no_index": True},
            "constraints": ["torch<2.9"],
        }
    )
    assert [(python.version, python.free_threaded, python.bits) for python in machine.pythons] == [
        ("3.11", False, 64), ("3.13", True, 64), ("3.9", False, 32), ("3.12.4", False, 64), ("3.10", False, 64),
    ]  # fmt: skip
    assert {disk.purpose: disk.free_mib for disk in machine.disks} == dict.fromkeys(
        ("home", "tmp", "cache", "work"), 20480
    )
    assert machine.indexes.find_links == ("/wheels",)
    assert machine.indexes.no_index
    assert machine.indexes.constraints == ("torch<2.9",)
    assert state_machine({"python": "3.11"}).pythons[0].path == "python3.11"


@pytest.mark.parametrize(
    ("stated", "name", "near"),
    [
        ({"drvier": "580"}, "drvier", "driver"),
        ({"GPU": "RTX 4090"}, "GPU", "gpu"),
        ({"gpu": {"name": "x", "vramm": 3}}, "vramm", "vram"),
        ({"gpus": [{"nmae": "x"}]}, "nmae", "name"),
        ({"pythons": [{"versoin": "3.11"}]}, "versoin", "version"),
        ({"zzzzzz": 1}, "zzzzzz", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(stated: Dict[str, Any], name: str, near: str) -> None:
    with pytest.raises(DreambootError) as raised:
        state_machine(stated, "machine.toml")
    problem = raised.value.problem
    assert problem.id == "stated-machine-key"
    assert f"'{name}'" in problem.what
    assert (f"'{near}'" if near else "Leave") in problem.hint


@pytest.mark.parametrize(
    "stated",
    [
        {"os": "amiga"}, {"arch": "vax"}, {"vram": "much", "gpu": "RTX 4090"}, {"python": "latest"}, {"libc": "uclibc"},
        {"gpu": "Voodoo 2"}, {"cpu_cores": "many"}, {"long_paths": "no"}, {"compute_capability": "new"},
        {"disk": "full"}, {"gpus": [{"index": "first", "name": "T4"}]},
        {"gpu": {"name": "x", "vendor": "3dfx"}}, {"ram_total_mib": 3.5, "ram": "x"}, {"gpus": 7}, {"wsl": "yes"},
        {"gpus": [{"name": "T4", "count": 1_000_000_000}]}, {"gpus": [{"name": "T4", "count": -3}]},
        {"pythons": [{"bits": 64}]}, {"sources": [{"kind": "nowhere"}]}, {"faults": "x"},
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(stated: Dict[str, Any]) -> None:
    with pytest.raises(DreambootError) as raised:
        state_machine(stated)
    assert raised.value.problem.id == "stated-machine-value"
    assert raised.value.problem.cause
    assert raised.value.problem.hint


def test_toml_json_and_a_byte_order_mark(tmp_path: Path) -> None:
    for name, text in {
        "m.toml": '\ufeffos = "win11"\ndriver = "580.65"\ngpu = ["RTX 4090", "RTX 3090"]\n',
        "m.json": '{"os": "win11", "driver": "580.65", "gpu": ["RTX 4090", "RTX 3090"]}',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        machine = assume(tmp_path / name)
        assert (machine.os, len(machine.gpus), machine.drivers[0].version) == ("windows", 2, "580.65")


@pytest.mark.parametrize("text", ["os = ", "{", "just words", "[1, 2]"])
def test_files_that_can_not_be_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "machine.toml"
    file.write_text(text)
    with pytest.raises(DreambootError) as raised:
        assume(file)
    assert raised.value.problem.id == "stated-machine-unreadable"
    with pytest.raises(DreambootError):
        assume(tmp_path / "gone.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DreambootError):
        assume(tmp_path / "bytes.toml")


def test_the_saved_output_of_nvidia_smi_states_a_machine(tmp_path: Path) -> None:
    captures = Path(__file__).resolve().parents[2] / "captures"
    machine: Machine = assume(captures / "windows-geforce-rtx-2080-super__610.62.q.txt")
    assert (machine.gpus[0].name, machine.drivers[0].version) == ("NVIDIA GeForce RTX 2080 SUPER", "610.62")
    assert machine.os == "windows"
    assert assume(captures / "linux-RTX4090.table.txt").os == "linux"
    assert len(assume(captures / "linux-RTX4090.table.txt").gpus) == 8
    assert assume(captures / "xml-tesla-t4.xml.txt").gpus[0].vram_total_mib == 15360
    assert [gpu.mig for gpu in assume(captures / "linux-h100-mig__590.48.01.table.txt").gpus] == [True] * 4


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12 GB", 12288), ("12GiB", 12288), ("12288 MiB", 12288), (12, 12288), (12288, 12288),
        ("1.5 TB", 1572864), ("0.5g", 512),
        (7.75, 7936), ("[N/A]", None), ("", None), ("-3 GB", None), (-3, None), (True, None), (None, None),
        ("1024 KiB", 1), ("4293918720 B", 4095),
    ],
)  # fmt: skip
def test_sizes(text: Any, size: Any) -> None:
    assert mebibytes(text) == size


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("8.9", "8.9"),
        (8.9, "8.9"),
        ("sm_89", "8.9"),
        (89, "8.9"),
        ("sm_120", "12.0"),
        ("12.0", "12.0"),
        (12.0, "12.0"),
        ("compute_90a", "9.0"),
        (7.5, "7.5"),
    ],
)
def test_capabilities(text: Any, told: str) -> None:
    assert capability(text) == told


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_what_powershell_saves_is_read(tmp_path, encoding):
    path = tmp_path / "machine.toml"
    path.write_bytes('gpu = "RTX 4090"\r\ndriver = "580.65"\r\n'.encode(encoding))
    assert assume(path).gpus[0].name == "RTX 4090"


@pytest.mark.parametrize("gpu", ["5", "true", "1979-05-27"])
def test_a_gpu_that_is_no_name_is_said_so(tmp_path, gpu):
    path = tmp_path / "machine.toml"
    path.write_text(f"gpu = {gpu}\n")
    with pytest.raises(DreambootError) as caught:
        assume(path)
    assert "neither a name nor a table" in caught.value.problem.cause
