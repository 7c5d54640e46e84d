"""Whether the build of torch (or of another package) holds machine code for this GPU."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import LogView, Symptom

MATRIX = "https://github.com/pytorch/pytorch/blob/main/RELEASE.md"
_PASCAL = (
    "GTX 10",
    "GTX 9",
    "TITAN X",
    "Tesla P",
    "P100",
    "P40",
    "Quadro P",
    "GTX 750",
    "MX150",
    "Tesla M",
    "K80",
    "sm_61",
    "sm_60",
    "sm_52",
)
_VOLTA = ("V100", "TITAN V", "sm_70", "Quadro GV100")


def _other_python_has_it(captures: Mapping[str, str], log: LogView) -> bool:
    """The list of another interpreter in the same log holds the GPU's architecture: two torches are at work."""
    arch = captures.get("arch", "").lower()
    listed = log.lower.find("'" + arch + "'")
    return bool(arch) and listed >= 0


SYMPTOMS = (
    Symptom(
        id="cc-wrong-python",
        area="path-leak",
        weight=86,
        signs=("with CUDA capability {arch} is not compatible with the current PyTorch",),
        when=_other_python_has_it,
        what="Another Python's torch was updated, not the one that the program uses.",
        cause="One torch in this log knows {arch}, the one that the program loads does not: there are two environments.",
        fix=(
            (
                "{python} -m pip install --upgrade torch torchvision --index-url https://download.pytorch.org/whl/cu128",
                "updates torch in the program's own environment",
            ),
            ("dreamboot doctor --python {python}", "nothing: shows where torch comes from"),
        ),
        leads_to=("cc-arch-not-in-wheel", "cc-no-kernel-image"),
        cases=("cc-5070ti-wrong-python",),
        examples=(
            (
                ">>> torch.cuda.get_arch_list()\n['sm_75', 'sm_90', 'sm_120']\n"
                "UserWarning: NVIDIA GeForce RTX 5070 Ti with CUDA capability sm_120 is not compatible with the current PyTorch installation."
            ),
        ),
    ),
    Symptom(
        id="cc-arch-not-in-wheel",
        area="compute-capability",
        weight=82,
        signs=(
            "with CUDA capability {arch} is not compatible with the current PyTorch",
            "which is of cuda capability {arch:ver}. PyTorch no longer supports this GPU",
            "Minimum and Maximum cuda capability supported by this version of PyTorch is",
        ),
        what="This build of torch has no machine code for this GPU.",
        cause="The GPU is {arch}; the wheel was not compiled for it. New GPUs need a newer CUDA build (RTX 50: cu128 or later), old ones an older one "
        "(GTX 9/10: cu126).",
        fix=(
            ("dreamboot plan", "nothing: names the build that holds code for this GPU"),
            (
                "{python} -m pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu128",
                "the build for RTX 50; for GTX 9/10 use whl/cu126",
            ),
        ),
        link=MATRIX,
        leads_to=("cc-no-kernel-image", "cc-pascal-cu128", "cc-volta-cu130"),
        cases=(),
        examples=(
            "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\nThe current PyTorch install supports CUDA capabilities sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90.",
            "Found GPU0 GeForce GT 730 which is of cuda capability 3.5.\nPyTorch no longer supports this GPU because it is too old.",
        ),
    ),
    Symptom(
        id="cc-pascal-cu128",
        area="compute-capability",
        weight=80,
        signs=(
            "no kernel image is available for execution on the device",
            "cudaErrorNoKernelImageForDevice",
            "CUDA_ERROR_NO_BINARY_FOR_GPU",
        ),
        unless=(*_VOLTA, "RTX 50", "sm_120", "sm_100", "B200", "GB10"),
        what="This build of torch has no machine code for this GPU.",
        cause="The wheel was compiled for other GPUs: builds from CUDA 12.8 on leave out GTX 9/10 (sm_5x, sm_6x); builds before it do not know RTX 50 (sm_120).",
        fix=(
            ("dreamboot plan", "nothing: names the build that holds code for this GPU"),
            (
                "{python} -m pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu126",
                "the build for GTX 9/10 and older; RTX 50 needs whl/cu128",
            ),
        ),
        link=MATRIX,
        cases=("cc-pascal-cu128",),
        examples=(
            "NVIDIA GeForce GTX 1050\ntorch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        ),
    ),
    Symptom(
        id="cc-volta-cu130",
        area="compute-capability",
        weight=80,
        signs=("no kernel image is available for execution on the device", "cudaErrorNoKernelImageForDevice"),
        needs=_VOLTA,
        what="This build of torch has no machine code for this GPU.",
        cause="CUDA 13 dropped everything below compute capability 7.5: Volta (V100, TITAN V, 7.0) needs a cu126 or cu128 build of at most torch 2.10.",
        fix=(
            (
                "{python} -m pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu126",
                "the build that still has sm_70",
            ),
        ),
        link=MATRIX,
        cases=("cc-volta-cu130",),
        examples=(
            "GPU: Tesla V100-SXM2-16GB, torch 2.12.0+cu130\nRuntimeError: CUDA error: no kernel image is available for execution on the device",
        ),
    ),
    Symptom(
        id="cc-no-kernel-image",
        area="compute-capability",
        weight=79,
        signs=("no kernel image is available for execution on the device",),
        needs=("RTX 50", "sm_120", "sm_100", "B200", "GB10"),
        unless=_VOLTA,
        what="A package holds no machine code for this new GPU.",
        cause="Blackwell GPUs (RTX 50, B200) need torch 2.7 or later from cu128 or a later index, and extensions built for it.",
        fix=(
            (
                "{python} -m pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu128",
                "a build with code for Blackwell",
            ),
        ),
        link="https://github.com/pytorch/pytorch/issues/150733",
        examples=(
            "NVIDIA GeForce RTX 5080\nRuntimeError: CUDA error: no kernel image is available for execution on the device",
        ),
    ),
    Symptom(
        id="cc-ptxas-sm120",
        area="compute-capability",
        weight=86,
        signs=(
            "Value 'sm_{arch}' is not defined for option 'gpu-name'",
            "ptxas fatal : Value 'sm_",
            "ptxas-blackwell",
            "LLVM ERROR: Cannot select: intrinsic %llvm.nvvm.shfl",
        ),
        unless=("Value 'sm_121a'",),
        what="Triton's ptxas does not know this GPU.",
        cause="The ptxas that triton carries is older than the GPU (sm_{arch}); triton 3.3 (torch 2.7) was the first to know RTX 50.",
        fix=(
            (
                "{python} -m pip install --upgrade torch torchvision --index-url https://download.pytorch.org/whl/cu128",
                "brings the triton that belongs to it",
            ),
        ),
        cases=("cc-ptxas-sm120",),
        examples=("ptxas fatal   : Value 'sm_120' is not defined for option 'gpu-name'",),
    ),
    Symptom(
        id="cc-ptxas-sm121a",
        area="compute-capability",
        weight=88,
        signs=("Value 'sm_121a' is not defined for option 'gpu-name'",),
        what="Triton's ptxas does not know the GB10 (sm_121a).",
        cause="The ptxas that triton carries comes from CUDA 12; the DGX Spark needs that of CUDA 13.",
        fix=(("export TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas", "triton uses the machine's CUDA 13 ptxas"),),
        link="https://github.com/triton-lang/triton/issues/8539",
        cases=("cc-ptxas-sm121a",),
        examples=("ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",),
    ),
    Symptom(
        id="cc-rocm-gfx1031",
        area="compute-capability",
        weight=84,
        signs=(
            "hipErrorNoBinaryForGpu",
            "Unable to find code object for all current devices",
            "HIP error: invalid device function",
            "HIP error: the operation cannot be performed in the present state",
            "rocBLAS error: Cannot read{x:any}TensileLibrary",
            "TensileLibrary_lazy_gfx",
        ),
        what="The ROCm build of torch has no code for this AMD GPU.",
        cause="The wheel was compiled for other gfx targets. Relatives of a supported GPU run as it: RX 6600/6700 (gfx1031/1032) as gfx1030.",
        fix=(
            (
                "export HSA_OVERRIDE_GFX_VERSION=10.3.0",
                "RDNA 2 runs as gfx1030 (RDNA 3: 11.0.0); unsupported by AMD, remove it if results are wrong",
            ),
        ),
        link="https://rocm.docs.amd.com/projects/install-on-linux/en/latest/reference/system-requirements.html",
        cases=("cc-rocm-gfx1031",),
        examples=(
            '"hipErrorNoBinaryForGpu: Unable to find code object for all current devices!"\nAborted (core dumped)',
        ),
    ),
    Symptom(
        id="cc-fp8",
        area="compute-capability",
        weight=76,
        signs=(
            "fp8 e4nv not supported in this architecture",
            "type fp8e4nv not supported in this architecture",
            "torch._scaled_mm is only supported on CUDA devices with compute capability",
            "requires compute capability >= 8.9",
        ),
        what="This GPU can't compute in fp8.",
        cause="fp8 (e4m3) needs compute capability 8.9 (RTX 40) or more.",
        fix=(("mixed_precision = bf16", "trains in bf16 (fp16 before RTX 30)"),),
        examples=(
            "RuntimeError: torch._scaled_mm is only supported on CUDA devices with compute capability >= 9.0 or 8.9, or ROCm MI300+",
        ),
    ),
)
