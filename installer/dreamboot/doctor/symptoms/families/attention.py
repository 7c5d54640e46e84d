"""xformers, flash-attn, SageAttention and triton: extensions that must fit torch exactly."""

# ruff: noqa: E501, RUF001 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import Level, LogView, Symptom

UNINSTALL_XFORMERS = (
    "{python} -m pip uninstall -y xformers",
    "training uses torch's own attention (SDPA), which is as fast with torch 2",
)
MATCHING = (
    "{python} -m pip install --upgrade --force-reinstall torch xformers --index-url https://download.pytorch.org/whl/cu126",
    "installs a pair that fits, from one index",
)


def _not_cpu(captures: Mapping[str, str], _log: LogView) -> bool:
    return "+cpu" not in captures["have"].lower() or "+cpu" in captures["built"].lower()


def _only_cuda_differs(captures: Mapping[str, str], log: LogView) -> bool:
    built, have = captures["built"].partition("+"), captures["have"].partition("+")
    return _not_cpu(captures, log) and built[0] == have[0] and built[2] != have[2]


def _version_differs(captures: Mapping[str, str], log: LogView) -> bool:
    return _not_cpu(captures, log) and not _only_cuda_differs(captures, log)


_PAIR = "PyTorch {built} with CUDA {cuda:int} (you have {have})"
_AFTER = ("xf-no-operator", "xf-dll")

SYMPTOMS = (
    Symptom(
        id="triton-compiler",
        area="attention",
        weight=80,
        signs=(
            "Failed to find C compiler",
            "Compiler: cl is not found",
            "No working C++ compiler found in torch._inductor",
            "torch._inductor.exc.InvalidCxxCompiler",
        ),
        what="torch.compile or triton wants to compile, and there is no C compiler.",
        cause="They translate parts of the model while it runs, with gcc on Linux and Visual C++ (cl.exe) on Windows.",
        fix=(
            ("torch_compile = false", "trains without it"),
            ("sudo apt install gcc", "the compiler on Debian and Ubuntu"),
            (
                "winget install Microsoft.VisualStudio.2022.BuildTools",
                "the compiler on Windows (choose C++ desktop development)",
            ),
        ),
        link="https://docs.pytorch.org/docs/stable/torch.compiler.html",
        examples=(
            "RuntimeError: Failed to find C compiler. Please specify via CC environment variable.",
            "torch._inductor.exc.InductorError: RuntimeError: Compiler: cl is not found.",
        ),
    ),
    Symptom(
        id="py-dynamo",
        area="python-version",
        weight=80,
        signs=(
            "Dynamo is not supported on Python 3.{minor:int}+",
            "torch.compile is not supported on Python 3.{minor:int}+",
            "torch.compile is not supported on Python 3.{minor:int}",
        ),
        what="This torch can't compile models on Python 3.{minor}.",
        cause="torch.compile follows new Pythons later than torch itself: Python 3.12 from torch 2.4 on, 3.13 from 2.6, 3.14 from 2.10.",
        fix=(
            ("torch_compile = false", "trains without it"),
            ("dreamboot plan", "nothing: shows the newest torch for this machine"),
        ),
        link="https://github.com/pytorch/pytorch/blob/main/RELEASE.md",
        examples=("RuntimeError: Dynamo is not supported on Python 3.12+",),
    ),
    Symptom(
        id="xf-built-for-other-torch",
        area="attention",
        level=Level.WARNING,
        weight=80,
        signs=(_PAIR, "xFormers was built for: PyTorch {built} with CUDA None (you have {have})"),
        when=_version_differs,
        packages=("xformers",),
        leads_to=_AFTER,
        what="xformers was built for another torch.",
        cause="Expected torch {built}, found {have}: its compiled part can't be loaded.",
        fix=(UNINSTALL_XFORMERS, MATCHING),
        link="https://github.com/facebookresearch/xformers#installing-xformers",
        cases=("xf-built-for-other-torch",),
        examples=(
            "WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.4.0+cu121 with CUDA 1201 (you have 2.3.1+cu121)",
        ),
    ),
    Symptom(
        id="xf-cu118-vs-cu121",
        area="attention",
        level=Level.WARNING,
        weight=81,
        signs=(_PAIR,),
        when=_only_cuda_differs,
        packages=("xformers",),
        leads_to=_AFTER,
        what="xformers was built for another CUDA version of the same torch.",
        cause="Expected {built}, found {have}: the default index has xformers for one CUDA version only.",
        fix=(MATCHING, UNINSTALL_XFORMERS),
        link="https://github.com/facebookresearch/xformers/issues/800",
        cases=("xf-cu118-vs-cu121",),
        examples=("PyTorch 2.1.0+cu121 with CUDA 1201 (you have 2.1.0+cu118)",),
    ),
    Symptom(
        id="xf-cap-too-new",
        area="attention",
        weight=78,
        signs=(
            "requires device with capability <= ({most:any}) but your GPU has capability ({have:any}) (too new)",
            "requires device with capability < ({most:any}) but your GPU has capability ({have:any}) (too new)",
        ),
        leads_to=("xf-no-operator",),
        what="This xformers does not know the GPU.",
        cause="It supports compute capability up to {most}, the GPU has {have}: the release is older than the GPU.",
        fix=(
            ("{python} -m pip install --upgrade xformers", "a release for this GPU, if it fits your torch"),
            UNINSTALL_XFORMERS,
        ),
        cases=("xf-cap-too-new",),
        examples=(
            "NotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:\n    requires device with capability <= (9, 0) but your GPU has capability (12, 0) (too new)",
        ),
    ),
    Symptom(
        id="xf-no-operator",
        area="attention",
        weight=66,
        signs=(
            "No operator found for `memory_efficient_attention",
            "No operator found for this attention",
            "xFormers wasn't build with CUDA support",
            "xFormers wasn't built with CUDA support",
            "operator wasn't built - see `python -m xformers.info`",
        ),
        what="xformers has no attention that can run here.",
        cause="Its compiled part is not loaded (built for another torch), or it does not support these inputs.",
        fix=(UNINSTALL_XFORMERS, ("{python} -m xformers.info", "nothing: shows which operators it has")),
        cases=("xf-no-operator",),
        examples=(
            "NotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:\n     query       : shape=(1, 4096, 8, 40) (torch.float16)\nxFormers wasn't build with CUDA support",
        ),
    ),
    Symptom(
        id="xf-dll",
        area="attention",
        weight=76,
        signs=(
            "xformers/_C.{x}undefined symbol",
            "xformers{x:any}_C.so: undefined symbol",
            "xformers/_C.pyd",
            "xformers\\_C.pyd",
            "No module named 'xformers._C'",
            "xformers/_C_flashattention",
        ),
        what="The compiled part of xformers does not fit torch.",
        cause="It was built for another torch or CUDA version, and can't be loaded.",
        fix=(UNINSTALL_XFORMERS, MATCHING),
        examples=(
            "OSError: /venv/lib/python3.11/site-packages/xformers/_C.so: undefined symbol: _ZN3c104cuda9SetDeviceEi",
        ),
    ),
    Symptom(
        id="xf-no-gpu",
        area="attention",
        level=Level.LATE,
        weight=60,
        signs=("torch.cuda.is_available() should be True but is False. xformers' memory efficient attention",),
        what="xformers was asked for, and torch sees no GPU.",
        cause="The real fault lies before: a CPU build of torch, no driver, or a driver that torch can't use. This log alone can't say which.",
        fix=(("dreamboot doctor --python {python}", "nothing: says which of them it is"),),
        link="https://huggingface.co/docs/diffusers/main/en/optimization/xformers",
        examples=(
            "ValueError: torch.cuda.is_available() should be True but is False. xformers' memory efficient attention is only available for GPU ",
        ),
    ),
    Symptom(
        id="xf-missing",
        area="attention",
        weight=62,
        signs=(
            "No module named 'xformers'",
            "xformers is not available. Make sure it is installed correctly",
            "Refer to https://github.com/facebookresearch/xformers for more information on how to install xformers",
            "No xformers found",
            "No xformers / xformersがインストールされていない",
        ),
        needs=("ModuleNotFoundError", "ValueError", "ImportError"),
        what="xformers was asked for and is not installed.",
        cause="The option for xformers attention is set, and this environment has none.",
        fix=(
            (
                "attention = sdpa",
                "use torch's own attention: drop --xformers or --enable_xformers_memory_efficient_attention",
            ),
        ),
        examples=("ValueError: xformers is not available. Make sure it is installed correctly",),
    ),
    Symptom(
        id="fa-undefined-symbol",
        area="attention",
        weight=86,
        signs=(
            "flash_attn_2_cuda{file:any}: undefined symbol",
            "flash_attn_cuda{file:any}: undefined symbol",
            "flash_attn_3_cuda{file:any}: undefined symbol",
            "DLL load failed while importing flash_attn",
            "flash_attn{file:any}: undefined symbol: _ZN",
            "libcudart.so.{n:ver}: cannot open shared object file ... flash_attn",
        ),
        what="flash-attn was built for another torch.",
        cause="Its library asks for a function that this torch does not have: the wheel is for another torch, CUDA version or C++ ABI.",
        fix=(
            ("{python} -m pip uninstall -y flash-attn", "diffusers and transformers use torch's own attention"),
            (
                "{python} -m pip install --no-build-isolation --force-reinstall --no-deps flash-attn",
                "builds it for this torch (needs nvcc, takes long)",
            ),
        ),
        link="https://github.com/Dao-AILab/flash-attention/releases",
        cases=("fa-undefined-symbol",),
        examples=(
            "ImportError: /venv/lib/python3.11/site-packages/flash_attn_2_cuda.cpython-311-x86_64-linux-gnu.so: undefined symbol: _ZN2at4_ops9_pad_enum4callERKNS_6TensorE",
        ),
    ),
    Symptom(
        id="fa-version-range-diffusers",
        area="attention",
        weight=84,
        signs=("Requires Flash-Attention version {want:any} but got {have:ver}", "Requires Flash Attention version"),
        what="xformers refuses this version of flash-attn.",
        cause="Expected flash-attn {want}, found {have}; xformers checks it when it is imported, and diffusers falls with it.",
        fix=(
            ("{python} -m pip uninstall -y flash-attn", "xformers uses its own"),
            ("{python} -m pip install --upgrade xformers", "a release that knows this flash-attn"),
        ),
        link="https://github.com/huggingface/diffusers/issues/11805",
        cases=("fa-version-range-diffusers",),
        examples=("ImportError: Requires Flash-Attention version >=2.7.1,<=2.7.4 but got 2.8.0.post2.",),
    ),
    Symptom(
        id="fa-nvcc-colon",
        area="attention",
        weight=80,
        signs=(
            "No such file or directory: '{path}/bin/nvcc'",
            "No such file or directory: ':{path}nvcc'",
            "CUDA_HOME environment variable is not set",
            "nvcc was not found",
            "nvcc: command not found",
            "CUDA_HOME does not exist, unable to compile CUDA op",
        ),
        what="An extension is being compiled, and the CUDA compiler is not found.",
        cause="CUDA_HOME must be one existing folder that holds bin/nvcc; found: {path}. A colon at its start comes from `export CUDA_HOME=$CUDA_HOME:/usr/local/…`.",
        fix=(
            ("export CUDA_HOME=/usr/local/cuda", "one plain folder, without a colon"),
            (
                "{python} -m pip install --only-binary=:all: flash-attn",
                "takes a ready-made wheel, or says that there is none",
            ),
        ),
        cases=("fa-nvcc-colon",),
        examples=(
            "FileNotFoundError: [Errno 2] No such file or directory: ':/usr/local/cuda-11.7/bin/nvcc'",
            "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
        ),
    ),
    Symptom(
        id="fa-build-no-torch",
        area="attention",
        weight=80,
        signs=("No module named 'torch'",),
        needs=(
            "Getting requirements to build wheel",
            "pyproject.toml-based projects",
            "build_meta",
            "get_requires_for_build_wheel",
            "build_editable",
            "Failed to build `flash-attn",
            "Call to `setuptools.build_meta",
        ),
        what="A package that needs torch to be built is built in isolation, where there is no torch.",
        cause="pip and uv build in an empty environment; flash-attn, xformers and others import torch in their setup.py.",
        fix=(
            (
                "{python} -m pip install --no-build-isolation flash-attn",
                "builds with this environment's torch; better take a ready-made wheel",
            ),
        ),
        examples=(
            "  × Getting requirements to build wheel did not run successfully.\n      ModuleNotFoundError: No module named 'torch'",
        ),
    ),
    Symptom(
        id="fa-missing",
        area="attention",
        weight=64,
        signs=(
            "the package flash_attn seems to be not installed",
            "No module named 'flash_attn'",
            "No module named 'sageattention'",
        ),
        what="flash-attn or SageAttention was asked for and is not installed.",
        cause="The program's settings choose this attention, and this environment has no such package.",
        fix=(("attn_implementation=sdpa", "use torch's own attention"),),
        examples=(
            "ImportError: FlashAttention2 has been toggled on, but it cannot be used due to the following error: the package flash_attn seems to be not installed.",
        ),
        others=("ModuleNotFoundError: No module named 'flash_attn_2_cuda'",),
    ),
    Symptom(
        id="fa-no-library",
        area="attention",
        weight=80,
        signs=(
            "No module named 'flash_attn_2_cuda'",
            "No module named 'flash_attn_3_cuda'",
            "No module named 'flash_attn_cuda'",
            "No module named 'sageattention._{part}'",
            "cannot import name 'flash_attn_2_cuda'",
        ),
        what="The attention package came without its compiled part.",
        cause="Its Python files are there, its library is not: it was installed from source where the build was left out, or copied.",
        fix=(
            (
                "{python} -m pip uninstall -y flash-attn sageattention",
                "diffusers and transformers use torch's own attention",
            ),
            (
                "{python} -m pip install --no-build-isolation --force-reinstall --no-deps flash-attn",
                "builds it for this torch (needs nvcc, takes long)",
            ),
        ),
        link="https://github.com/Dao-AILab/flash-attention/releases",
        examples=("ModuleNotFoundError: No module named 'flash_attn_2_cuda'",),
    ),
    Symptom(
        id="fa-too-old",
        area="attention",
        weight=78,
        signs=(
            "you need flash_attn package version to be greater or equal than {want:ver} Detected version {have:ver}",
        ),
        what="This flash-attn is older than transformers accepts.",
        cause="Expected flash-attn {want} or newer, found {have}.",
        fix=(
            ("attn_implementation=sdpa", "use torch's own attention"),
            ("{python} -m pip install --no-build-isolation --upgrade flash-attn", "a newer one, built for this torch"),
        ),
        examples=(
            "ImportError: FlashAttention2 has been toggled on, but it cannot be used due to the following error: you need flash_attn package version to be greater or equal than 2.1.0. Detected version 1.0.9.",
        ),
    ),
    Symptom(
        id="fa-not-for-gpu",
        area="attention",
        weight=64,
        signs=("FlashAttention only supports Ampere GPUs or newer", "No available kernel. Aborting execution"),
        what="The attention that was asked for does not run on this GPU.",
        cause="flash-attn needs compute capability 8.0 (RTX 30 or newer); torch's fused kernels also refuse some shapes and precisions.",
        fix=(("attn_implementation=sdpa", "use torch's own attention, which chooses a kernel that runs"),),
        examples=("RuntimeError: FlashAttention only supports Ampere GPUs or newer.",),
    ),
)
