"""NVIDIA GPUs as the files and tools of a stated machine show them, through the probes themselves."""

from __future__ import annotations

from typing import List, Mapping

import pytest

from dreamboot.host import Completed
from dreamboot.machine.nvidia.nvml import cuda_version, parse_nvml
from dreamboot.machine.nvidia.proc import parse_information, parse_proc_version
from dreamboot.machine.nvidia.smi_csv import parse_csv
from dreamboot.machine.nvidia.smi_table import parse_table
from dreamboot.model import Vendor
from support.fake_host import Answer, FakeHost
from support.gpu_machines import capture, faults, find, linux, pci


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
