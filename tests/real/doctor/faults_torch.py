"""Faults of torch against GPU and driver."""

from __future__ import annotations


def blackwell_on_cu124(env):
    env.stub("torch", "2.6.0+cu124")
    env.gpu("NVIDIA GeForce RTX 5090", "12.0")


def pascal_on_cu128(env):
    env.stub("torch", "2.8.0+cu128")
    env.gpu("NVIDIA GeForce GTX 1080", "6.1")


def volta_on_cu130(env):
    env.stub("torch", "2.12.0+cu130")
    env.gpu("Tesla V100-SXM2-16GB", "7.0")


def second_gpu_too_old(env):
    env.stub("torch", "2.11.0+cu128")
    env.gpu("NVIDIA GeForce RTX 4090", "8.9")
    env.gpu("NVIDIA GeForce GTX 1080", "6.1")


def cpu_build_with_gpu(env):
    env.stub("torch", "2.11.0+cpu")
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")


def driver_too_old(env):
    env.stub("torch", "2.11.0+cu130")
    env.gpu("NVIDIA GeForce RTX 4090", "8.9", driver="550.54.14")


def driver_of_2019(env):
    env.stub("torch", "2.1.2+cu121")
    env.gpu("Quadro P2000", "6.1", driver="441.66")


def cuda_build_on_amd(env):
    env.stub("torch", "2.11.0+cu126")
    env.gpu("AMD Radeon RX 7900 XTX", vendor="amd", gfx="gfx1100")


def rocm_without_gfx1031(env):
    env.stub("torch", "2.10.0+rocm7.0")
    env.gpu("AMD Radeon RX 6700 XT", vendor="amd", gfx="gfx1031")


def driver_split(env):
    env.stub("torch", "2.11.0+cu126")
    env.machine["faults"] = [
        {"id": "nvidia-driver-library-mismatch", "cause": "Driver/library version mismatch", "vendor": "nvidia"}
    ]


def driver_not_loaded(env):
    env.machine["faults"] = [
        {"id": "nvidia-driver-not-running", "cause": "nvidia-smi could not talk to the driver", "vendor": "nvidia"}
    ]


def no_devices(env):
    env.machine["faults"] = [{"id": "nvidia-no-devices", "cause": "No devices were found", "vendor": "nvidia"}]


def gpus_hidden(env):
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")
    env.environ["CUDA_VISIBLE_DEVICES"] = "-1"


# fault → (the id that must name it, its status)
FAULTS = {
    blackwell_on_cu124: ("torch-code-for-gpu", "error"),
    pascal_on_cu128: ("torch-code-for-gpu", "error"),
    volta_on_cu130: ("torch-code-for-gpu", "error"),
    second_gpu_too_old: ("torch-code-for-gpu", "error"),
    cpu_build_with_gpu: ("torch-cpu-build", "error"),
    driver_too_old: ("driver-reaches-cuda", "error"),
    driver_of_2019: ("driver-reaches-cuda", "error"),
    cuda_build_on_amd: ("gpu-maker", "error"),
    rocm_without_gfx1031: ("torch-code-for-amd", "error"),
    driver_split: ("driver-answers", "error"),
    driver_not_loaded: ("driver-answers", "error"),
    no_devices: ("driver-shows-gpus", "warning"),
    gpus_hidden: ("driver-shows-gpus", "warning"),
}
