"""The GPU driver: missing, too old, split in two versions, or not answering."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Symptom

PYTORCH_DRIVERS = "https://docs.nvidia.com/deploy/cuda-compatibility/"
NVIDIA_DOWNLOAD = "https://www.nvidia.com/drivers"

SYMPTOMS = (
    Symptom(
        id="drv-none-docker",
        area="driver",
        weight=75,
        signs=(
            "Found no NVIDIA driver on your system",
            "libcuda.so.1: cannot open shared object file",
            "no CUDA-capable device is detected",
            "Error 100: no CUDA-capable device",
            "cudaErrorNoDevice",
            "CUDA_ERROR_NO_DEVICE",
            "Could not find the NVIDIA driver",
            "Could not load dynamic library 'libcuda.so",
            "Could not find cuda drivers on your machine",
        ),
        unless=("Radeon", "amdgpu", "hipError", "libnvidia-container"),
        what="No NVIDIA driver can be reached by this process.",
        cause="The build of torch needs libcuda from an NVIDIA driver; none could be loaded. Either no driver is installed, or "
        "this runs in a container that was started without GPUs.",
        fix=(
            ("nvidia-smi", "nothing: it shows whether the machine itself has a working driver"),
            (
                "docker run --gpus all IMAGE",
                "starts the container with the host's GPUs (in compose: deploy.resources.reservations.devices)",
            ),
        ),
        link=NVIDIA_DOWNLOAD,
        leads_to=(
            "bnb-cpu-library",
            "cpu-not-compiled",
            "acc-fp16-gpu",
            "cpu-webui-skip-cuda-test",
            "cpu-deserialize",
            "bnb-setup-failed",
        ),
        cases=("drv-none-docker",),
        examples=(
            "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from",
            "OSError: libcuda.so.1: cannot open shared object file: No such file or directory",
            "RuntimeError: CUDA error: no CUDA-capable device is detected",
        ),
        others=("RuntimeError: No CUDA GPUs are available",),
    ),
    Symptom(
        id="drv-none-amd-card",
        area="driver",
        weight=78,
        signs=("Found no NVIDIA driver on your system", "no CUDA-capable device is detected"),
        needs=(
            "Radeon",
            "amdgpu",
            "AMD Instinct",
            "RX 5700",
            "RX 580",
            "RX 6600",
            "RX 6700",
            "RX 6800",
            "RX 7600",
            "RX 7800",
            "RX 7900",
            "RX 9070",
            "gfx1030",
            "gfx1100",
        ),
        what="A build of torch for NVIDIA runs on a machine with an AMD GPU.",
        cause="Expected an NVIDIA driver, found an AMD GPU: the CUDA build of torch can't use it.",
        fix=(
            (
                "{python} -m pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/rocm6.4",
                "replaces torch by the ROCm build (Linux)",
            ),
            ("dreamboot plan", "nothing: says which build fits this GPU"),
        ),
        link="https://pytorch.org/get-started/locally/",
        cases=("drv-none-amd-card",),
        examples=(
            "GPU: AMD Radeon RX 6800 XT\nRuntimeError: Found no NVIDIA driver on your system. Please check that you have",
        ),
    ),
    Symptom(
        id="drv-too-old",
        area="driver",
        weight=82,
        signs=(
            "NVIDIA driver on your system is too old (found version {have:int}",
            "NVIDIA driver on your system is too old",
            "CUDA driver version is insufficient for CUDA runtime version",
            "cudaErrorInsufficientDriver",
            "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
            "provided PTX was compiled with an unsupported toolchain",
            "driver version is too old",
            "Please update your GPU driver by downloading and installing a new version",
        ),
        what="The NVIDIA driver is older than this build of torch needs.",
        cause="Expected a driver for the CUDA version that torch was built with, found one that reaches CUDA {have} only "
        "(12020 stands for 12.2). In a container the host's driver counts.",
        fix=(
            ("nvidia-smi", "nothing: shows the driver's version"),
            ("dreamboot plan", "nothing: names a build of torch that this driver can run"),
        ),
        link=NVIDIA_DOWNLOAD,
        leads_to=("bnb-cpu-library", "acc-fp16-gpu", "cpu-webui-skip-cuda-test", "bnb-setup-failed"),
        cases=("drv-too-old-after-image-update", "drv-too-old-windows-quadro"),
        examples=(
            "UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found version 11060). Please update your GPU",
            "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.",
            "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version",
        ),
    ),
    Symptom(
        id="drv-nvml-mismatch",
        area="driver",
        weight=85,
        signs=(
            "Driver/library version mismatch",
            "NVML: RM has detected an NVML/RM version mismatch",
            "driver/library version mismatch",
        ),
        what="The driver's kernel module and its libraries have different versions.",
        cause="The driver was updated while its old kernel module is still loaded (or only half of it was updated). All parts of the "
        "version must be equal, the last one too.",
        fix=(
            ("sudo reboot", "loads the module that belongs to the installed libraries"),
            (
                "cat /proc/driver/nvidia/version",
                "nothing: shows the loaded module's version, to compare with the package's",
            ),
        ),
        leads_to=("dk-driver-not-loaded", "drv-999-suspend", "drv-disabled-device-manager"),
        cases=("drv-nvml-mismatch-patched-module",),
        examples=(
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124",
            "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown",
        ),
    ),
    Symptom(
        id="drv-smi-no-comm-kernel",
        area="driver",
        weight=84,
        signs=(
            "couldn't communicate with the NVIDIA driver",
            "NVIDIA-SMI has failed because it couldn't communicate",
            "modprobe: FATAL: Module nvidia not found",
            "modprobe: ERROR: could not insert 'nvidia'",
            "Key was rejected by service",
        ),
        what="The NVIDIA kernel module is not loaded.",
        cause="The driver's tools are installed, but no kernel module answers: most often the kernel was updated and the module was "
        "not built for it, or Secure Boot refuses an unsigned module.",
        fix=(
            (
                "sudo apt-get install --reinstall linux-headers-$(uname -r) nvidia-dkms-580 && sudo reboot",
                "builds the module for the running kernel (take your driver's branch)",
            ),
            (
                "dkms status; mokutil --sb-state",
                "nothing: shows whether a module was built, and whether Secure Boot is on",
            ),
        ),
        cases=("drv-smi-no-comm-kernel",),
        examples=(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
        ),
    ),
    Symptom(
        id="drv-802-fabricmanager",
        area="driver",
        weight=88,
        signs=("Error 802: ", "system not yet initialized", "cudaErrorSystemNotReady", "CUDA_ERROR_SYSTEM_NOT_READY"),
        what="The GPUs' fabric (NVSwitch) is not initialised.",
        cause="CUDA answers 802: on SXM/HGX machines the service nvidia-fabricmanager must run, in exactly the driver's version.",
        fix=(
            (
                "sudo systemctl enable --now nvidia-fabricmanager && systemctl status nvidia-fabricmanager",
                "starts the fabric manager",
            ),
            (
                "nvidia-smi --query-gpu=driver_version --format=csv,noheader; nv-fabricmanager --version",
                "nothing: both must be equal",
            ),
        ),
        link="https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/",
        cases=("drv-802-fabricmanager",),
        examples=("RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",),
    ),
    Symptom(
        id="drv-803-library-shadowed",
        area="driver",
        weight=86,
        signs=(
            "Error 803: ",
            "unsupported display driver / cuda driver combination",
            "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
            "cudaErrorSystemDriverMismatch",
        ),
        what="The libcuda that is loaded does not belong to the running driver.",
        cause="CUDA answers 803: another libcuda.so.1 (a cuda-compat folder, a copy in the image, a stub) is found before the driver's.",
        fix=(
            (
                "ldconfig -p | grep libcuda; echo $LD_LIBRARY_PATH",
                "nothing: shows which libcuda comes first; remove the other from the path",
            ),
        ),
        examples=("Error 803: system has unsupported display driver / cuda driver combination",),
    ),
    Symptom(
        id="drv-804-forward-compat",
        area="driver",
        weight=86,
        signs=(
            "Error 804: ",
            "forward compatibility was attempted on non supported HW",
            "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
        ),
        what="CUDA forward compatibility does not work on this GPU.",
        cause="CUDA answers 804: the newer CUDA of the image or of cuda-compat needs a newer driver on this (not data-centre) GPU.",
        fix=(("dreamboot plan", "nothing: names a build of torch that this driver can run; or update the driver"),),
        link=NVIDIA_DOWNLOAD,
        examples=(
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 804: forward compatibility was attempted on non supported HW",
        ),
    ),
    Symptom(
        id="drv-999-suspend",
        area="driver",
        weight=72,
        signs=(
            "CUDA unknown error - this may be due to an incorrectly set up environment",
            "Error 999: unknown error",
            "CUDA_ERROR_UNKNOWN",
            "CUDA error: unknown error",
        ),
        what="The driver answers CUDA with an unknown error (999).",
        cause="Most often the module nvidia_uvm was broken by suspend and resume. The hint at CUDA_VISIBLE_DEVICES in the message rarely applies.",
        fix=(("sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm", "reloads the module (or reboot)"),),
        link="https://github.com/pytorch/pytorch/issues/88639",
        leads_to=("bnb-cpu-library", "acc-fp16-gpu"),
        cases=("drv-999-suspend",),
        examples=(
            "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable CUDA_VISIBLE_DEVICES after program start.",
        ),
    ),
    Symptom(
        id="drv-disabled-device-manager",
        area="driver",
        weight=68,
        signs=(
            "No CUDA GPUs are available",
            "No HIP GPUs are available",
            "No XPU devices are available",
            "hipErrorNoDevice",
            "ConfigManagerErrorCode",
        ),
        what="The driver is there, but shows no GPU to this process.",
        cause="The GPU is disabled (Windows Device Manager, Code 22 or 43), hidden by CUDA_VISIBLE_DEVICES, or was not given to this container or job.",
        fix=(
            ("nvidia-smi -L", "nothing: lists the GPUs that the driver shows"),
            (
                "echo $CUDA_VISIBLE_DEVICES",
                "nothing: an empty value or -1 hides every GPU; on Windows look in the Device Manager",
            ),
        ),
        leads_to=("bnb-cpu-library", "acc-fp16-gpu", "cpu-webui-skip-cuda-test"),
        cases=("drv-disabled-device-manager",),
        examples=("    torch._C._cuda_init()\nRuntimeError: No CUDA GPUs are available",),
    ),
    Symptom(
        id="drv-busy",
        area="driver",
        weight=78,
        signs=(
            "all CUDA-capable devices are busy or unavailable",
            "CUDA-capable device(s) is/are busy or unavailable",
            "cudaErrorDevicesUnavailable",
        ),
        what="The GPU is busy or forbidden for this process.",
        cause="CUDA answers 46: another process holds the GPU in exclusive mode, the compute mode is 'prohibited', or a MIG GPU has no instance.",
        fix=(
            (
                "nvidia-smi -q -d COMPUTE,PIDS",
                "nothing: shows the compute mode and who uses the GPU (default mode: sudo nvidia-smi -c 0)",
            ),
        ),
        examples=("RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",),
    ),
    Symptom(
        id="drv-gpu-lost",
        area="driver",
        weight=84,
        signs=(
            "GPU is lost",
            "GPU has fallen off the bus",
            "Unable to determine the device handle for <gpu|gpu0>",
            "uncorrectable ECC error encountered",
            "Xid{x:any}: 79",
            "cudaErrorECCUncorrectable",
        ),
        what="The GPU stopped answering.",
        cause="The card fell off the bus or reports a memory (ECC) fault: power, heat, riser or defect; not a fault of Python packages.",
        fix=(
            ("sudo reboot", "brings the card back; if it returns, check power and temperature"),
            ("sudo dmesg | grep -i xid", "nothing: shows the driver's error code"),
        ),
        link="https://docs.nvidia.com/deploy/xid-errors/",
        examples=(
            "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU",
        ),
    ),
    Symptom(
        id="drv-smi-query-field-missing",
        area="driver",
        weight=55,
        signs=('Field "{field}" is not a valid field to query',),
        what="nvidia-smi is too old for this question.",
        cause='It belongs to an old driver that does not know the field "{field}"; that says nothing about whether a GPU is there.',
        fix=(
            ("nvidia-smi --query-gpu=name,driver_version --format=csv", "nothing: asks only for what old drivers know"),
        ),
        cases=("drv-smi-query-field-missing",),
        examples=('Field "compute_cap" is not a valid field to query.',),
    ),
    Symptom(
        id="drv-smi-not-found",
        area="driver",
        weight=40,
        signs=(
            "nvidia-smi: command not found",
            "nvidia-smi: not found",
            "'nvidia-smi' is not recognized",
            '"nvidia-smi": executable file not found',
            "No such file or directory: 'nvidia-smi'",
        ),
        what="nvidia-smi is not there.",
        cause="No NVIDIA driver is installed here, or its folder is not on PATH (in a container: it was started without GPUs).",
        fix=(("dreamboot detect", "nothing: shows which GPUs and drivers this machine has"),),
        link=NVIDIA_DOWNLOAD,
        examples=("bash: nvidia-smi: command not found",),
    ),
    Symptom(
        id="drv-fork",
        area="driver",
        weight=80,
        signs=("Cannot re-initialize CUDA in forked subprocess",),
        what="CUDA was used before a worker process was forked.",
        cause="A forked worker can't use the parent's CUDA. The workers must be spawned, or must not touch the GPU.",
        fix=(("num_workers=0", "the data loader works in the main process; or use the start method 'spawn'"),),
        examples=(
            "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the 'spawn' start method",
        ),
    ),
)
