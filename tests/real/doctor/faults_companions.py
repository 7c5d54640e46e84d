"""Faults of the packages beside torch: built for another one, for another Python, or not for each other."""

from __future__ import annotations

import json


def xformers(built):
    return {
        "xformers/__init__.py": "",
        "xformers/cpp_lib.json": json.dumps({"version": {"torch": built, "cuda": 1201, "python": "3.11.9"}}),
    }


def libraries(*names):
    return {"bitsandbytes/__init__.py": "", **{f"bitsandbytes/libbitsandbytes_{name}.so": "x" for name in names}}


def torchvision_for_other_torch(env):
    env.stub("torch", "2.3.1+cu121")
    env.stub(
        "torchvision",
        "0.17.2+cu121",
        {"torchvision/version.py": "__version__ = '0.17.2+cu121'\ncuda = '12.1'\n"},
        ["torch==2.2.2"],
    )


def torchvision_for_other_cuda(env):
    env.stub("torch", "2.2.2+cu118")
    env.stub(
        "torchvision",
        "0.17.2+cu121",
        {"torchvision/version.py": "__version__ = '0.17.2+cu121'\ncuda = '12.1'\n"},
        ["torch==2.2.2"],
    )


def torchvision_cuda_beside_cpu(env):
    env.stub("torch", "2.2.2+cpu")
    env.stub(
        "torchvision",
        "0.17.2+cu121",
        {"torchvision/version.py": "__version__ = '0.17.2+cu121'\ncuda = '12.1'\n"},
        ["torch==2.2.2"],
    )


def torchvision_of_the_index_beside_cpu(env):
    """As the package index has it: no local version in its metadata, and CUDA's is worked out when it is imported."""
    env.stub("torch", "2.13.0+cpu")
    told = "__version__ = '0.28.0+cu130'\nfrom torchvision.extension import _check_cuda_version\n"
    told += "if _check_cuda_version() > 0:\n    cuda = _check_cuda_version()\n"
    env.stub("torchvision", "0.28.0", {"torchvision/version.py": told}, ["torch==2.13.0"])


def torchaudio_for_other_torch(env):
    env.stub("torch", "2.3.1+cu121")
    env.stub("torchaudio", "2.2.2+cu121", {"torchaudio/__init__.py": ""}, ["torch==2.2.2"])


def nvjitlink_stale(env):
    env.stub("torch", "2.5.1+cu124", None, ["nvidia-nvjitlink-cu12==12.4.127; platform_system == 'Linux'"])
    env.stub("nvidia-nvjitlink-cu12", "12.1.105", {"nvidia/nvjitlink/__init__.py": ""})


def xformers_other_torch(env):
    env.stub("torch", "2.3.1+cu121")
    env.stub("xformers", "0.0.27", xformers("2.4.0+cu121"))


def xformers_other_cuda(env):
    env.stub("torch", "2.1.0+cu118")
    env.stub("xformers", "0.0.22", xformers("2.1.0+cu121"))


def xformers_beside_cpu(env):
    env.stub("torch", "2.0.1+cpu")
    env.stub("xformers", "0.0.20", xformers("2.0.1+cu118"))


def xformers_pins_other(env):
    env.stub("torch", "2.3.1+cu121")
    env.stub("xformers", "0.0.26", {"xformers/__init__.py": ""}, ["torch==2.3.0"])


def xformers_before_blackwell(env):
    env.stub("torch", "2.7.1+cu128")
    env.stub("xformers", "0.0.29", {"xformers/__init__.py": ""})
    env.gpu("NVIDIA GeForce RTX 5090", "12.0")


def flash_attn_other_torch(env):
    env.stub("torch", "2.6.0+cu124")
    env.stub("flash-attn", "2.7.4.post1+cu12torch2.5cxx11abiFALSE", {"flash_attn/__init__.py": ""})


def flash_attn_refused(env):
    env.stub("torch", "2.7.0+cu128")
    limits = 'FLASH_VER_MIN = parse_version("2.7.1")\nFLASH_VER_LAST = parse_version("2.7.4")\n'
    env.stub("xformers", "0.0.30", {**xformers("2.7.0+cu128"), "xformers/ops/fmha/flash.py": limits})
    env.stub("flash-attn", "2.8.0.post2", {"flash_attn/__init__.py": ""})


def sage_other_torch(env):
    env.stub("torch", "2.7.0+cu128")
    env.stub("sageattention", "2.1.1+cu128torch2.6.0", {"sageattention/__init__.py": ""})


def bnb_without_cuda128(env):
    env.stub("torch", "2.7.0+cu128")
    env.stub("bitsandbytes", "0.45.0", libraries("cpu", "cuda124", "cuda126"))
    env.gpu("NVIDIA GeForce RTX 5090", "12.0")


def bnb_source_build(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("bitsandbytes", "0.44.0", {"bitsandbytes/__init__.py": ""})


def bnb_for_linux_on_windows(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("bitsandbytes", "0.41.1", libraries("cpu", "cuda118"))
    env.machine["os"] = "windows"


def bnb_before_triton(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("bitsandbytes", "0.44.1", libraries("cpu"))
    env.stub("triton", "3.2.0")


def triton_before_blackwell(env):
    env.stub("triton", "3.1.0")
    env.gpu("NVIDIA GeForce RTX 5070 Ti", "12.0")


def numpy_two_with_old_torch(env):
    env.stub("torch", "2.2.2+cpu")
    env.stub("numpy", "2.1.3")


def numpy_two_on_windows(env):
    env.stub("torch", "2.4.0+cpu")
    env.stub("numpy", "2.1.0")
    env.machine["os"] = "windows"


def opencv_before_numpy_two(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("numpy", "2.0.0")
    env.stub("opencv-python", "4.9.0.80", {"cv2/__init__.py": ""})


def old_timm(env):
    env.stub("timm", "0.6.12")


def python_not_accepted(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("diffusers", "0.99.0")
    env.write("diffusers-0.99.0.dist-info/METADATA", "Name: diffusers\nVersion: 0.99.0\nRequires-Python: >=3.99\n")


def copied_from_other_python(env):
    env.stub(
        "torch",
        "2.6.0+cpu",
        {
            "torch/_C.cpython-38-x86_64-linux-gnu.so": "x",
            "torch/version.py": "__version__ = '2.6.0+cpu'\ncuda = None\n",
        },
    )


def protobuf_too_new(env):
    env.stub("tensorboard", "2.6.0")
    env.stub("protobuf", "5.29.0", {"google/protobuf/__init__.py": ""})


def pkg_resources_gone(env):
    env.stub("tensorboard", "2.19.0")
    env.stub("setuptools", "82.0.0")


def hub_without_cached_download(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("diffusers", "0.25.0")
    env.stub("huggingface-hub", "0.26.1")


def peft_before_accelerate(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("peft", "0.15.0")
    env.stub("accelerate", "0.31.0")


def transformers_before_peft(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("peft", "0.13.0")
    env.stub("transformers", "4.37.0")


def hub_below_transformers(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("transformers", "4.41.0", None, ["huggingface-hub<1.0,>=0.23.0"])
    env.stub("huggingface-hub", "0.22.0")


def requirement_missing(env):
    env.stub("torch", "2.6.0+cpu")
    env.stub("accelerate", "1.10.0", None, ["psutil"])


# fault → (the id that must name it, its status)
FAULTS = {
    torchvision_for_other_torch: ("torchvision-fits", "error"),
    torchvision_for_other_cuda: ("torchvision-fits", "error"),
    torchvision_cuda_beside_cpu: ("torchvision-fits", "error"),
    torchvision_of_the_index_beside_cpu: ("torchvision-fits", "error"),
    torchaudio_for_other_torch: ("torchaudio-fits", "error"),
    nvjitlink_stale: ("nvidia-libraries", "error"),
    xformers_other_torch: ("xformers-fits", "error"),
    xformers_other_cuda: ("xformers-fits", "error"),
    xformers_beside_cpu: ("xformers-fits", "error"),
    xformers_pins_other: ("xformers-fits", "error"),
    xformers_before_blackwell: ("xformers-gpu", "error"),
    flash_attn_other_torch: ("flash-attention", "error"),
    flash_attn_refused: ("flash-attention", "error"),
    sage_other_torch: ("flash-attention", "error"),
    bnb_without_cuda128: ("bitsandbytes-library", "error"),
    bnb_source_build: ("bitsandbytes-library", "error"),
    bnb_for_linux_on_windows: ("bitsandbytes-library", "error"),
    bnb_before_triton: ("bitsandbytes-triton", "error"),
    triton_before_blackwell: ("triton-ptxas", "error"),
    numpy_two_with_old_torch: ("numpy-generation", "error"),
    numpy_two_on_windows: ("numpy-generation", "error"),
    opencv_before_numpy_two: ("numpy-generation", "error"),
    old_timm: ("packages-python", "error"),
    copied_from_other_python: ("python-version", "error"),
    protobuf_too_new: ("known-conflicts", "error"),
    pkg_resources_gone: ("known-conflicts", "error"),
    hub_without_cached_download: ("known-conflicts", "error"),
    peft_before_accelerate: ("known-conflicts", "error"),
    transformers_before_peft: ("known-conflicts", "error"),
    hub_below_transformers: ("requirements-met", "error"),
    requirement_missing: ("requirements-met", "error"),
    python_not_accepted: ("packages-python", "error"),
}
# What --fix mends by itself without fetching anything.
MENDED = (xformers_other_torch, flash_attn_other_torch, sage_other_torch)
