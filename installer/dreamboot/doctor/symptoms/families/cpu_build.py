"""A torch without GPU support where one was wanted."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import Level, LogView, Symptom

REINSTALL = (
    "{python} -m pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu126"
)


def _cpu(captures: Mapping[str, str], _log: LogView) -> bool:
    return "+cpu" in captures["have"].lower() and "+cpu" not in captures["built"].lower()


SYMPTOMS = (
    Symptom(
        id="cpu-not-compiled",
        area="cpu-wheel-installed",
        weight=80,
        signs=(
            "Torch not compiled with CUDA enabled",
            "Torch not compiled with XPU enabled",
            "PyTorch was not compiled with CUDA",
            "PyTorch is not linked with support for cuda devices",
            "PyTorch version {v:ver} without CUDA",
        ),
        what="The installed torch is the CPU build.",
        cause="Expected a build with CUDA (or ROCm, XPU), found one without: the default index on Windows, and many pins, bring the CPU build.",
        fix=(
            ("dreamboot plan", "nothing: names the build for this GPU"),
            (REINSTALL, "replaces torch by a CUDA build"),
        ),
        link="https://pytorch.org/get-started/locally/",
        leads_to=("acc-fp16-gpu", "cpu-webui-skip-cuda-test", "cpu-deserialize", "bnb-cpu-library"),
        examples=("AssertionError: Torch not compiled with CUDA enabled",),
    ),
    Symptom(
        id="cpu-xformers-pulled-cpu-torch",
        area="cpu-wheel-installed",
        weight=84,
        level=Level.WARNING,
        signs=("PyTorch {built} with CUDA {cuda:int} (you have {have})",),
        when=_cpu,
        packages=("xformers",),
        leads_to=("xf-no-operator", "xf-built-for-other-torch", "cpu-not-compiled", "acc-fp16-gpu"),
        what="xformers is for CUDA, but the installed torch is the CPU build.",
        cause="Expected torch {built}, found {have}: installing or upgrading xformers replaced the CUDA build of torch.",
        fix=(
            (
                "{python} -m pip install --force-reinstall torch xformers --index-url https://download.pytorch.org/whl/cu126",
                "installs both from one index, so that they fit",
            ),
        ),
        cases=("cpu-xformers-pulled-cpu-torch",),
        examples=(
            "WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.0.1+cu118 with CUDA 1108 (you have 2.0.1+cpu)",
        ),
    ),
    Symptom(
        id="cpu-webui-skip-cuda-test",
        area="cpu-wheel-installed",
        weight=62,
        signs=("Torch is not able to use GPU",),
        unless=(
            "RUN python",
            "docker build",
            "docker-compose build",
            "executor failed running",
            "Dockerfile:",
            "=> ERROR [",
            "buildkit",
            "Step {n:int}/{m:int} : RUN",
        ),
        what="torch can't use a GPU here.",
        cause="A CPU build of torch, no driver, or no NVIDIA GPU. The advice to skip the test only hides which.",
        fix=(
            ("dreamboot doctor --python {python}", "nothing: says which of the three it is"),
            (REINSTALL, "replaces torch, if it is the CPU build"),
        ),
        cases=("cpu-webui-skip-cuda-test",),
        examples=(
            "RuntimeError: Torch is not able to use GPU; add --skip-torch-cuda-test to COMMANDLINE_ARGS variable to disable this check",
        ),
    ),
    Symptom(
        id="cpu-docker-build-check",
        area="container-runtime",
        weight=70,
        signs=("Torch is not able to use GPU",),
        needs=(
            "RUN python",
            "docker build",
            "docker-compose build",
            "executor failed running",
            "Dockerfile:",
            "=> ERROR [",
            "buildkit",
            "Step {n:int}/{m:int} : RUN",
        ),
        what="The GPU test runs while the image is built.",
        cause="A build sees no GPU, on any machine. The test belongs into the container's start.",
        fix=(("--skip-torch-cuda-test", "add it to the build step only; `docker run --gpus all` tests at the start"),),
        cases=("cpu-docker-build-check",),
        examples=(
            (
                "#14 212.3 AssertionError: Torch is not able to use GPU; add --skip-torch-cuda-test to COMMANDLINE_ARGS variable to disable this check\n"
                "executor failed running [/bin/sh -c python launch.py --exit]: exit code: 1"
            ),
        ),
    ),
    Symptom(
        id="cpu-kohya-amd",
        area="cpu-wheel-installed",
        weight=74,
        signs=("fp16 mixed precision requires a GPU", "fp16 mixed precision requires a supported device"),
        needs=(
            "Radeon",
            "RX 6600",
            "6600XT",
            "6600 XT",
            "AMD GPU",
            "RX 5700",
            "RX 6700",
            "RX 6800",
            "RX 7600",
            "RX 7900",
            "amdgpu",
        ),
        what="A trainer for NVIDIA runs on a machine with an AMD GPU.",
        cause="torch sees no CUDA GPU, because the GPU is an AMD one: it needs the ROCm build of torch (Linux, or Windows with recent GPUs).",
        fix=(("dreamboot plan", "nothing: names the ROCm build for this GPU, or says that there is none"),),
        cases=("cpu-kohya-amd",),
        examples=("AMD Radeon RX 6600 XT\nValueError: fp16 mixed precision requires a GPU",),
    ),
    Symptom(
        id="cpu-deserialize",
        area="cpu-wheel-installed",
        weight=66,
        signs=("Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False",),
        what="torch sees no GPU here, and the file was saved on one.",
        cause="Expected a usable GPU, found none: CPU build of torch or no driver.",
        fix=(("dreamboot doctor --python {python}", "nothing: says which of the two it is"),),
        examples=(
            "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a CPU-only machine",
        ),
    ),
    Symptom(
        id="cpu-extra-index-final-beats-nightly",
        area="cpu-wheel-installed",
        weight=58,
        level=Level.WARNING,
        signs=("/whl/cpu ... torch-{have:ver}%2Bcpu", "/whl/cpu ... +cpu", "PIP_EXTRA_INDEX_URL ... whl/cpu"),
        what="pip is configured to take torch's CPU builds.",
        cause="An extra index ends in whl/cpu. Of all indexes pip takes the highest version, and a final release outranks a nightly: +cpu wins.",
        fix=(
            (
                "unset PIP_EXTRA_INDEX_URL; python -m pip config unset global.extra-index-url",
                "pip asks the default index only",
            ),
            ("python -m pip config list", "nothing: shows where it is set"),
        ),
        leads_to=("cpu-not-compiled",),
        cases=("cpu-extra-index-final-beats-nightly",),
        examples=(
            "Looking in indexes: https://example.org/simple, https://download.pytorch.org/whl/cpu/\nSuccessfully installed torch-2.12.0+cpu",
        ),
    ),
    Symptom(
        id="cpu-probe-no-devices",
        area="cpu-wheel-installed",
        weight=56,
        signs=("^No devices were found", "nvidia-smi: No devices were found"),
        what="The driver is there, but no GPU is given to this session.",
        cause="nvidia-smi works and lists nothing (a login node, a job without GPUs, a disabled card): an installer that asks here takes the CPU build.",
        fix=(
            ("srun --gres=gpu:1 --pty bash", "on a cluster: asks where a GPU is given"),
            ("echo $CUDA_VISIBLE_DEVICES; nvidia-smi -L", "nothing: shows what is visible"),
        ),
        cases=("cpu-probe-no-devices",),
        examples=("$ nvidia-smi\nNo devices were found\n",),
    ),
)
