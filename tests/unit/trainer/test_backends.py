"""What the device decides: which one, in which number format, by which attention."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer import backend
from dreamboot_trainer.backend import cpu, cuda
from dreamboot_trainer.problems import TrainerError

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize(
    ("name", "capability", "format"),
    [
        ("Tesla T4", (7, 5), "fp16"),
        ("Tesla V100-SXM2-16GB", (7, 0), "fp16"),
        ("Tesla P100-PCIE-16GB", (6, 0), "fp16"),
        ("NVIDIA GeForce RTX 2080 Ti", (7, 5), "fp16"),
        ("NVIDIA GeForce GTX 1660 SUPER", (7, 5), "no"),
        ("NVIDIA GeForce GTX 1650", (7, 5), "no"),
        ("NVIDIA A100-SXM4-40GB", (8, 0), "bf16"),
        ("NVIDIA GeForce RTX 3060", (8, 6), "bf16"),
        ("NVIDIA GeForce RTX 4090", (8, 9), "bf16"),
        ("NVIDIA H100 PCIe", (9, 0), "bf16"),
        ("NVIDIA GeForce RTX 5090", (12, 0), "bf16"),
    ],
)
def test_the_number_format_of_an_nvidia_gpu(name: str, capability: tuple[int, int], format: str) -> None:  # noqa: A002
    choice = cuda.precision_of(name, capability)
    assert choice.value == format
    assert name in choice.reason


@pytest.mark.parametrize(("supported", "format"), [(True, "bf16"), (False, "fp16")])
def test_an_amd_gpu_says_itself_what_it_computes_in(
    monkeypatch: pytest.MonkeyPatch,
    supported: bool,
    format: str,  # noqa: A002
) -> None:
    """torch calls it cuda too; its capability is a number of another kind."""
    monkeypatch.setattr(torch.version, "hip", "6.3")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "AMD Instinct MI300X")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert backend.precision(cuda, "auto").value == format


def test_the_best_device_that_there_is_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [each.NAME for each in backend.backends()] == ["cuda", "xpu", "mps", "cpu"]
    for there in (("cpu",), ("cpu", "mps"), ("cpu", "xpu", "cuda")):
        for each in backend.backends():
            monkeypatch.setattr(each, "available", lambda name=each.NAME, there=there: name in there)
        assert there[-1] == backend.choose("auto").NAME
        assert backend.choose("cpu").NAME == "cpu"
    monkeypatch.setattr(cuda, "available", lambda: False)
    with pytest.raises(TrainerError) as caught:
        backend.choose("cuda")
    assert caught.value.problem.id == "device-not-available"
    assert "--set device=auto" in caught.value.problem.hint


def test_a_wish_wins_but_for_fp16_on_a_cpu() -> None:
    assert backend.precision(cpu, "auto").value == "no"
    assert backend.precision(cpu, "bf16").value == "bf16"
    assert backend.precision(cuda, "no").value == "no"
    assert backend.precision(cuda, "fp16").value == "fp16"
    with pytest.raises(TrainerError):
        backend.precision(cpu, "fp16")


def test_attention_is_the_devices_or_the_wish() -> None:
    assert backend.attention(cpu, "auto", "no").value == "sdpa"
    assert backend.attention(cpu, "auto", "bf16").value == "naive"
    assert backend.attention(cuda, "auto", "bf16").value == "sdpa"
    assert backend.attention(cuda, "memory_efficient", "bf16").value == "memory_efficient"


def test_the_peak_of_a_cpu_grows_with_what_is_held() -> None:
    before = cpu.peak_memory_mib(0)
    held = torch.ones(64 * 2**20)  # 256 MiB, each page written to
    assert cpu.peak_memory_mib(0) >= before
    assert cpu.peak_memory_mib(0) >= held.numel() * 4 // 2**20
