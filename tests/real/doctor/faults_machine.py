"""Faults of the machine that the environment is stated to run on."""

from __future__ import annotations


def shared_memory_small(env):
    env.machine.update(shared_memory_mib=64, container="docker")


def disk_full(env):
    env.machine["disks"] = [{"purpose": "home", "path": "/home", "free_mib": 300, "total_mib": 50000}]


def memory_small(env):
    env.machine.update(ram_total_mib=3900, swap_total_mib=0)


def wsl_one(env):
    env.machine["wsl"] = 1


def wsl_little_memory(env):
    env.machine.update(wsl=2, ram_total_mib=7900, swap_total_mib=2000)


def wsl_blocked(env):
    env.machine.update(
        wsl=2, faults=[{"id": "nvidia-wsl-blocked", "cause": "GPU access blocked by the operating system"}]
    )


def windows_short_paths(env):
    env.machine.update(os="windows", long_paths=False)


def vram_held(env):
    env.gpu("NVIDIA GeForce RTX 4090", "8.9", processes=[{"pid": 4242, "name": "game", "vram_mib": 5000}])


def vram_tiny(env):
    env.gpu("NVIDIA GeForce GTX 1050", "6.1", vram_total_mib=2048)


def container_lost_gpu(env):
    env.machine.update(
        container="docker",
        faults=[{"id": "nvidia-container-lost-gpu", "cause": "Failed to initialize NVML: Unknown Error"}],
    )


def no_right_to_gpu(env):
    env.machine["faults"] = [{"id": "nvidia-no-permission", "cause": "Insufficient Permissions"}]


def docker_without_toolkit(env):
    env.gpu("NVIDIA GeForce RTX 4090", "8.9")
    env.machine["engines"] = [{"name": "docker", "version": "28.0", "running": True}]


# fault → (the id that must name it, its status)
FAULTS = {
    shared_memory_small: ("container-shared-memory", "warning"),
    disk_full: ("disk-room", "error"),
    memory_small: ("memory-room", "warning"),
    wsl_one: ("wsl-driver", "error"),
    wsl_little_memory: ("wsl-memory", "warning"),
    wsl_blocked: ("wsl-driver", "error"),
    windows_short_paths: ("windows-long-paths", "warning"),
    vram_held: ("vram-others", "warning"),
    vram_tiny: ("vram-size", "warning"),
    container_lost_gpu: ("container-driver", "error"),
    no_right_to_gpu: ("device-rights", "error"),
    docker_without_toolkit: ("container-gpu", "warning"),
}
