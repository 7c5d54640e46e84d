"""Video memory."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import LogView, Symptom

LOWER = (
    'gradient_checkpointing = true, train_batch_size = 1, optimizer = "adamw8bit", method = "lora"',
    "less memory at the same resolution",
)
DOCS = "https://docs.pytorch.org/docs/stable/notes/cuda.html#optimizing-memory-usage-with-pytorch-cuda-alloc-conf"
# "capacty" is how torch 2.1 and 2.2 spell it
_CAPACITY = ("; {total} GiB total capacity", "total capacity of {total} GiB", "total capacty of {total} GiB")


def _gib(captures: Mapping[str, str]) -> float:
    try:
        return float(captures.get("total", ""))
    except ValueError:
        return 0.0


def _small(captures: Mapping[str, str], _log: LogView) -> bool:
    return 4.5 < _gib(captures) <= 10.5


def _somebody_else(captures: Mapping[str, str], log: LogView) -> bool:
    """False when the only process that torch names is this one: in a container it does not know its own number.

    A process that alone holds less than half of a full GPU is another one in any case.
    """
    if log.has("Including non-PyTorch memory, this process has", "memory in use. Process {pid:int} has"):
        return True
    total = next((found.captures for found in map(log.find, _CAPACITY[1:]) if found), {})
    used = captures["used"].lower()
    return not used.endswith("gib") or _gib({"total": used[:-3]}) < _gib(total) / 2


def _tiny(captures: Mapping[str, str], _log: LogView) -> bool:
    return 0 < _gib(captures) <= 4.5


SYMPTOMS = (
    Symptom(
        id="vram-alloc-option",
        area="vram",
        weight=78,
        signs=(
            "Unrecognized CachingAllocator option: {option}",
            "Unrecognized key '{option}' in CUDA allocator config",
        ),
        what="A setting of torch's memory allocator is not known to this torch.",
        cause="PYTORCH_CUDA_ALLOC_CONF (or PYTORCH_ALLOC_CONF) holds {option}, which this release does not have; expandable_segments came with torch 2.1.",
        fix=(("unset PYTORCH_CUDA_ALLOC_CONF", "without the setting (Windows: set PYTORCH_CUDA_ALLOC_CONF=)"),),
        link="https://docs.pytorch.org/docs/stable/notes/cuda.html#optimizing-memory-usage-with-pytorch-cuda-alloc-conf",
        examples=("RuntimeError: Unrecognized CachingAllocator option: expandable_segments",),
    ),
    Symptom(
        id="vram-flux-24gb",
        area="vram",
        weight=84,
        signs=(
            "out of memory ... Process {pid:int} has {used:any} memory in use. Process",
            "out of memory ... is free. Process {pid:int} has {used} memory in use",
        ),
        when=_somebody_else,
        what="Video memory is full, and other programs hold a part of it.",
        cause="Process {pid} holds {used} of the same GPU.",
        fix=(
            (
                "nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",
                "nothing: shows which programs hold video memory; close them",
            ),
            LOWER,
            ("export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", "less waste by fragmentation"),
        ),
        link=DOCS,
        leads_to=("vram-oom", "vram-8gb-dreambooth-tab", "vram-4gb"),
        cases=("vram-flux-24gb",),
        examples=(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 54.00 MiB. GPU 0 has a total capacity of 23.63 GiB of which 34.56 MiB is free. Process 1108671 has 558.00 MiB memory in use. Including non-PyTorch memory, this process has 22.9 GiB memory in use.",
        ),
    ),
    Symptom(
        id="vram-4gb",
        area="vram",
        weight=83,
        signs=_CAPACITY,
        when=_tiny,
        leads_to=("vram-oom",),
        what="This GPU has too little memory for training.",
        cause="It has {total} GiB; even LoRA training of SD 1.5 at 512 pixels wants about 6.",
        fix=(
            ("dreamboot plan --method lora", "nothing: says what fits, if anything"),
            ("dreamboot plan", "or: train on the CPU, or on a rented GPU"),
        ),
        cases=("vram-4gb",),
        examples=(
            "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 4.00 GiB total capacity; 3.43 GiB already allocated; 0 bytes free; 3.45 GiB reserved in total by PyTorch)",
        ),
    ),
    Symptom(
        id="vram-8gb-dreambooth-tab",
        area="vram",
        weight=83,
        signs=_CAPACITY,
        when=_small,
        leads_to=("vram-oom",),
        what="This GPU has too little memory for the chosen training.",
        cause="It has {total} GiB. Full DreamBooth of SD 1.5 wants 12 or more (SDXL 24); LoRA fits in 8.",
        fix=(("dreamboot train --method lora", "trains a LoRA instead of the whole model"), LOWER),
        link=DOCS,
        cases=("vram-8gb-dreambooth-tab",),
        examples=(
            "RuntimeError: CUDA out of memory. Tried to allocate 58.00 MiB (GPU 0; 8.00 GiB total capacity; 6.74 GiB already allocated; 0 bytes free; 6.9 GiB reserved in total by PyTorch)",
        ),
    ),
    Symptom(
        id="vram-oom",
        area="vram",
        weight=78,
        signs=(
            "CUDA out of memory",
            "HIP out of memory",
            "XPU out of memory",
            "MPS backend out of memory",
            "CUDA error: out of memory",
            "HIP error: out of memory",
            "torch.OutOfMemoryError",
            "torch.cuda.OutOfMemoryError",
            "cudaErrorMemoryAllocation",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED",
            "out of memory at line {line:int} in file",
            "Allocation on device",
            "UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
            "CUDA_ERROR_OUT_OF_MEMORY",
        ),
        what="Video memory is full.",
        cause="The model, its gradients and the optimizer did not fit into the GPU's memory.",
        fix=(
            LOWER,
            ("nvidia-smi", "nothing: shows what else holds video memory"),
            ("export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", "less waste by fragmentation"),
        ),
        link=DOCS,
        leads_to=("acc-nccl-timeout", "vram-library-start"),
        examples=(
            "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        ),
    ),
)
