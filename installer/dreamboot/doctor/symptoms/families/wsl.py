"""Windows Subsystem for Linux."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Symptom

NVIDIA_WSL = "https://docs.nvidia.com/cuda/wsl-user-guide/index.html"
WSL_SIGNS = (
    "microsoft-standard-WSL",
    "WSL2",
    "WSL 2",
    "/mnt/c/",
    "/usr/lib/wsl",
    "\\\\wsl",
    "wsl.exe",
    "(WSL)",
    " WSL ",
    "Microsoft Corporation@",
    "wsl --",
)

SYMPTOMS = (
    Symptom(
        id="dk-wsl-integration",
        area="wsl",
        weight=80,
        signs=("The command 'docker' could not be found in this WSL",),
        what="Docker Desktop does not serve this Linux of WSL.",
        cause="Its WSL integration is switched off for this distribution.",
        fix=(
            (
                "wsl --list --verbose",
                "nothing: shows the distributions; then Docker Desktop > Settings > Resources > WSL integration: switch it on for this one",
            ),
        ),
        link="https://docs.docker.com/desktop/features/wsl/",
        examples=(
            "The command 'docker' could not be found in this WSL 2 distro.\nWe recommend to activate the WSL integration in Docker Desktop settings.",
        ),
    ),
    Symptom(
        id="wsl-tcc",
        area="wsl",
        weight=84,
        signs=("GPU access blocked by the operating system",),
        what="Windows does not share this GPU with WSL.",
        cause="WSL needs the driver model WDDM; a Tesla or Quadro in TCC mode (or an old Windows driver) stays invisible.",
        fix=(
            (
                "nvidia-smi -g 0 -dm 0",
                "in Windows, as administrator: switches the GPU to WDDM (data-centre cards need a vGPU licence); then wsl --shutdown",
            ),
        ),
        link=NVIDIA_WSL,
        cases=("wsl-tcc",),
        examples=("Failed to initialize NVML: GPU access blocked by the operating system",),
    ),
    Symptom(
        id="wsl-libcuda-ldconfig",
        area="wsl",
        weight=80,
        signs=(
            "/usr/lib/wsl/lib/libcuda.so.1 is not a symbolic link",
            "libcuda.so cannot found",
            "libcuda.so cannot be found",
            "cannot find -lcuda",
            "libcuda.so: cannot open shared object file",
            "Could not load library libcudnn ... libcuda.so: cannot open",
        ),
        unless=("Could not load library libcudnn",),
        what="libcuda.so is not found.",
        cause="In WSL the driver lies in /usr/lib/wsl/lib, which the loader's cache may not name completely (libcuda.so.1 yes, libcuda.so no).",
        fix=(("export LD_LIBRARY_PATH=/usr/lib/wsl/lib:$LD_LIBRARY_PATH", "the loader finds the driver of Windows"),),
        link="https://github.com/microsoft/WSL/issues/8587",
        cases=("wsl-libcuda-ldconfig",),
        examples=(
            "/sbin/ldconfig.real: /usr/lib/wsl/lib/libcuda.so.1 is not a symbolic link\nAssertionError: libcuda.so cannot found!",
        ),
    ),
    Symptom(
        id="wsl-oom-killed",
        area="wsl",
        weight=74,
        signs=(
            "^Killed$",
            "line {line:int}: {pid:int} Killed",
            "died with <Signals.SIGKILL: 9>",
            "exitcode: -9 ",
            "exit code 137",
            "returned non-zero exit status 137",
            "^Killed {rest}$",
            "Signal 9 (SIGKILL) received",
        ),
        needs=WSL_SIGNS,
        what="WSL ran out of memory, and the kernel ended the program.",
        cause="WSL gets half of the machine's memory by default; the model did not fit.",
        fix=(("[wsl2]\nmemory=28GB\nswap=32GB", "write it into %UserProfile%\\.wslconfig, then run wsl --shutdown"),),
        link="https://learn.microsoft.com/windows/wsl/wsl-config",
        leads_to=("mem-sigkill-simpletuner",),
        cases=("wsl-oom-killed",),
        examples=("Linux DESKTOP 5.15.167.4-microsoft-standard-WSL2\nLoading checkpoint shards: 100%\nKilled\n",),
    ),
    Symptom(
        id="wsl-gpu-memory",
        area="wsl",
        weight=88,
        signs=("dxgkio_make_resident: Ioctl failed: -12",),
        leads_to=("vram-oom",),
        what="Windows did not give WSL more video memory.",
        cause="WSL reaches its limit below what nvidia-smi shows as free: Windows keeps a part for its desktop.",
        fix=(
            (
                'gradient_checkpointing = true, train_batch_size = 1, optimizer = "adamw8bit", method = "lora"',
                "less memory at the same resolution",
            ),
            ("nvidia-smi", "nothing: shows which programs of Windows use the GPU; close them"),
        ),
        link="https://github.com/microsoft/WSL/issues/41176",
        examples=("dxgkio_make_resident: Ioctl failed: -12\nRuntimeError: CUDA driver error: device not ready",),
    ),
    Symptom(
        id="wsl-pinned-memory",
        area="wsl",
        weight=84,
        signs=("pin_memory{frames:any}out of memory", "cudaHostAlloc{rest:any}out of memory"),
        needs=WSL_SIGNS,
        leads_to=("vram-oom",),
        what="WSL gives little pinned memory, and the data loader asked for more.",
        cause="Not the GPU is full: page-locked memory of the host is limited under WSL.",
        fix=(("pin_memory=False", "of the DataLoader, in the training script"),),
        link=NVIDIA_WSL,
        examples=(
            'Linux PC 5.15.167.4-microsoft-standard-WSL2\n  File "/v/torch/utils/data/_utils/pin_memory.py", line 55, in pin_memory\n    return data.pin_memory(device)\nRuntimeError: CUDA error: out of memory',
        ),
    ),
    Symptom(
        id="wsl-named-symbol",
        area="wsl",
        weight=80,
        signs=("Error 500: named symbol not found", "CUDA_ERROR_NOT_FOUND: named symbol not found"),
        what="The Windows driver and WSL's CUDA do not agree.",
        cause="A known fault of some Windows drivers (555 to 560) with WSL and Docker Desktop.",
        fix=(("wsl --update && wsl --shutdown", "updates WSL; also install the current Windows driver"),),
        link=NVIDIA_WSL,
        examples=("RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 500: named symbol not found",),
    ),
    Symptom(
        id="wsl-virtualization",
        area="wsl",
        weight=78,
        signs=(
            "0x80370102",
            "0x80370114",
            "WslRegisterDistribution failed",
            "Wsl/Service/CreateInstance",
            "Wsl/Service/RegisterDistro",
            "HCS_E_HYPERV_NOT_INSTALLED",
        ),
        what="WSL can't start.",
        cause="Virtualisation is switched off in the firmware, or the Windows feature is not enabled.",
        fix=(
            (
                "wsl --install --no-distribution",
                "enables the Windows features; switch on virtualisation in the firmware too",
            ),
        ),
        link="https://aka.ms/enablevirtualization",
        examples=("WslRegisterDistribution failed with error: 0x80370102",),
    ),
)
