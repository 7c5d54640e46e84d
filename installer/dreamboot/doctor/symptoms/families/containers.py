"""Docker, Podman and what gives containers a GPU."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
INSTALL = (
    "sudo apt-get install -y nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    "installs NVIDIA's toolkit and tells Docker of it",
)

SYMPTOMS = (
    Symptom(
        id="dk-device-driver",
        area="container-runtime",
        weight=84,
        signs=(
            'could not select device driver "{name}" with capabilities: [[gpu',
            'could not select device driver "" with capabilities',
            "could not select device driver with capabilities",
            "could not select device driver '' with capabilities",
            "unknown or invalid runtime name: nvidia",
            "unknown runtime specified nvidia",
            "nvidia-container-runtime: executable file not found",
            '"nvidia-container-runtime-hook": executable file not found',
        ),
        unless=("/snap/", "snap docker", "snap.docker"),
        what="Docker has nothing that gives containers a GPU.",
        cause="The NVIDIA container toolkit is not installed, or Docker was not told of it or not restarted since.",
        fix=(INSTALL,),
        link=TOOLKIT,
        cases=("dk-device-driver", "dk-device-driver-compose"),
        examples=(
            'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
            'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]',
        ),
    ),
    Symptom(
        id="dk-snap",
        area="container-runtime",
        weight=86,
        signs=("could not select device driver", "nvidia-container-cli"),
        needs=(
            "/snap/bin/docker",
            "/snap/docker",
            "snap.docker",
            "snap list",
            "snap docker",
            "snap install docker",
            "could not select device driver with capabilities",
        ),
        what="Docker from snap can't use the NVIDIA toolkit.",
        cause="snap shuts Docker off from the system's libraries and hooks.",
        fix=(("sudo snap remove docker && sudo apt-get install docker-ce", "Docker from its own packages"), INSTALL),
        link="https://docs.docker.com/engine/install/",
        cases=("dk-snap",),
        examples=(
            "$ which docker\n/snap/bin/docker\ndocker: Error response from daemon: could not select device driver with capabilities: [[gpu]].",
        ),
    ),
    Symptom(
        id="dk-libnvml-missing",
        area="container-runtime",
        weight=84,
        signs=(
            "libnvidia-ml.so.1: cannot open shared object file",
            "nvidia-container-cli: initialization error: load library failed",
            "nvidia-container-cli: initialization error: cuda error: unknown error",
            "NVML Shared Library Not Found",
        ),
        what="The NVIDIA toolkit finds no driver on the host.",
        cause="libnvidia-ml.so.1 is the driver's: the host has none, or Docker Desktop's virtual machine can't see it.",
        fix=(
            ("nvidia-smi", "nothing: must work on the host first"),
            ("docker context use default", "on Linux: the native engine instead of Docker Desktop"),
        ),
        link=TOOLKIT,
        cases=("dk-libnvml-missing",),
        examples=(
            "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory: unknown.",
        ),
    ),
    Symptom(
        id="dk-driver-not-loaded",
        area="container-runtime",
        weight=84,
        signs=(
            "nvml error: driver not loaded",
            "nvidia-container-cli: initialization error: driver rpc error",
            "nvidia-container-cli: initialization error: driver error",
            "nvidia-container-cli: detection error",
            "nvidia-container-cli: initialization error: nvml error",
        ),
        unless=("driver/library version mismatch",),
        what="The NVIDIA driver is not loaded on the host.",
        cause="The toolkit found the driver's libraries, but its kernel module does not answer.",
        fix=(("sudo modprobe nvidia && nvidia-smi", "loads the module; if it fails, reinstall the driver"),),
        cases=("dk-driver-not-loaded",),
        examples=("nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown",),
    ),
    Symptom(
        id="dk-cuda-requirement",
        area="container-runtime",
        weight=84,
        signs=(
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>={want:ver}",
            "nvidia-container-cli: requirement error",
            "unsatisfied condition: cuda",
        ),
        what="The host's driver is too old for this image.",
        cause="The image asks for CUDA {want}; the host's driver does not reach it.",
        fix=(
            ("nvidia-smi", "nothing: shows the newest CUDA of the driver; take an image for it, or update the driver"),
            ("docker run -e NVIDIA_DISABLE_REQUIRE=1 ...", "skips the test: works only within one CUDA major version"),
        ),
        examples=(
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a newer version, or use an earlier cuda container: unknown",
        ),
    ),
    Symptom(
        id="dk-cdi",
        area="container-runtime",
        weight=84,
        signs=("unresolvable CDI devices", "failed to inject CDI devices", "CDI device injection failed"),
        what="The container engine knows no CDI device of that name.",
        cause="The CDI specification in /etc/cdi or /var/run/cdi is missing or old.",
        fix=(
            (
                "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
                "writes the specification for this machine's GPUs",
            ),
        ),
        link="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html",
        examples=("Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",),
    ),
    Symptom(
        id="dk-cdi-vendor",
        area="container-runtime",
        weight=84,
        signs=("failed to discover GPU vendor from CDI", "no known GPU vendor found"),
        what="A container was to get a GPU, and the engine knows of none.",
        cause="It looks for NVIDIA's and AMD's GPUs in the CDI specifications of /etc/cdi and /var/run/cdi, and none is there: "
        "no toolkit, or no GPU of theirs.",
        fix=(
            ("nvidia-smi", "nothing: the host's driver must show a GPU first (AMD: rocminfo)"),
            (
                "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
                "writes the specification for this machine's GPUs (from the NVIDIA container toolkit)",
            ),
            ("docker run ...", "without --gpus, where the machine has no such GPU"),
        ),
        link="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html",
        examples=(
            "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found",
        ),
    ),
    Symptom(
        id="dk-cdi-empty",
        area="container-runtime",
        weight=82,
        signs=("invalid device, empty device edits",),
        what="The CDI specification could not be written.",
        cause="The toolkit found the GPU, and no device file for it: the driver's nodes in /dev are missing or not readable.",
        fix=(
            ("sudo nvidia-modprobe -u -c=0 && ls -l /dev/nvidia*", "makes the device files"),
            ("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml", "writes the specification again"),
        ),
        link="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html",
        examples=(
            "failed to generate CDI spec: failed to create device CDI specs: invalid device, empty device edits",
        ),
    ),
    Symptom(
        id="dk-cgroup",
        area="container-runtime",
        weight=80,
        signs=(
            "bpf_prog_query(BPF_CGROUP_DEVICE) failed",
            "nvidia-container-cli: container error: cgroup subsystem devices not found",
            "failed to add device rules",
            "Failed to initialize NVML: Unknown Error",
        ),
        what="The container lost its right to use the GPU.",
        cause="cgroup rules and the NVIDIA toolkit do not agree: after `systemctl daemon-reload` a running container loses its GPU; rootless engines need no-cgroups.",
        fix=(
            ("docker restart CONTAINER", "gives the GPU back"),
            (
                "sudo nvidia-ctk config --in-place --set nvidia-container-cli.no-cgroups=true",
                "for rootless Docker and Podman",
            ),
        ),
        examples=("Failed to initialize NVML: Unknown Error",),
    ),
    Symptom(
        id="dk-file-exists",
        area="container-runtime",
        weight=82,
        signs=(
            "nvidia-container-cli: mount error: file creation failed: {path:any}: file exists",
            "nvidia-container-cli: mount error: {path:any}: file exists",
        ),
        what="The image already holds files of a driver.",
        cause="It was saved from a container that had a GPU, so the toolkit can't put the host's driver in its place.",
        fix=(
            (
                "rm -f /usr/lib/x86_64-linux-gnu/libcuda.so* /usr/lib/x86_64-linux-gnu/libnvidia-*",
                "as a step of the image's build",
            ),
        ),
        examples=(
            "nvidia-container-cli: mount error: file creation failed: /data/docker/overlay2/x/merged/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1: file exists: unknown",
        ),
    ),
    Symptom(
        id="dk-shm-nccl",
        area="container-runtime",
        weight=86,
        signs=("creating shared memory segment ... nccl-", "shm/nccl-{n}{x:any}No space left on device"),
        what="The container's shared memory is too small for NCCL.",
        cause="The processes of a distributed run meet in /dev/shm, which Docker limits to 64 MB.",
        fix=(("docker run --shm-size=8g ...", "more shared memory (or --ipc=host; in compose: shm_size: 8gb)"),),
        link="https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
        leads_to=("acc-nccl-timeout", "disk-hf-home"),
        examples=(
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\nLast error:\nError while creating shared memory segment /dev/shm/nccl-Z5Yq0r (size 9637888), error: No space left on device (28)",
        ),
    ),
    Symptom(
        id="dk-shm",
        area="container-runtime",
        weight=86,
        signs=(
            "unable to allocate shared memory(shm)",
            "insufficient shared memory (shm)",
            "unable to open shared memory object",
            "dataloader's workers are out of shared memory",
            "is killed by signal: Bus error",
            "unable to write to file </torch_",
            "torch_{n}>: No space left on device",
        ),
        what="The container's shared memory is too small for the data loader's workers.",
        cause="Workers hand images over in /dev/shm, which Docker limits to 64 MB.",
        fix=(
            ("docker run --shm-size=8g ...", "more shared memory (or --ipc=host; in compose: shm_size: 8gb)"),
            ("num_workers=0", "loads in the main process"),
        ),
        link="https://docs.pytorch.org/docs/stable/multiprocessing.html",
        leads_to=("mem-worker-exited", "disk-hf-home", "mem-sigkill-simpletuner"),
        cases=("dk-shm",),
        examples=(
            "RuntimeError: DataLoader worker (pid 572) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.",
        ),
    ),
    Symptom(
        id="dk-disk",
        area="container-runtime",
        weight=88,
        signs=(
            "failed to register layer: ... no space left on device",
            "failed to extract layer ... no space left on device",
            "/var/lib/docker/{path:any}: no space left on device",
            "/var/lib/containerd/{path:any}: no space left on device",
        ),
        leads_to=("disk-hf-home",),
        what="The disk of the container engine is full.",
        cause="An image is unpacked under the engine's own folder (/var/lib/docker; with Docker Desktop a virtual disk), which is often on the system's disk. A CUDA image takes 5 to 15 GB there.",
        fix=(
            ("docker system df", "nothing: shows what images, containers and build caches take"),
            (
                "docker system prune",
                "asks, then deletes stopped containers, unused networks, dangling images and build cache",
            ),
        ),
        link="https://docs.docker.com/engine/manage-resources/pruning/",
        examples=("failed to register layer: write /usr/local/lib/libcublasLt.so.12: no space left on device",),
        others=("OSError: [Errno 28] No space left on device",),
    ),
    Symptom(
        id="dk-ldcache",
        area="container-runtime",
        weight=84,
        signs=("nvidia-container-cli: ldcache error",),
        what="The NVIDIA toolkit could not list the driver's libraries inside the image.",
        cause="It runs the host's ldconfig inside the container's root: the host has none at that place (NixOS, Guix), the path in the toolkit's settings lacks its @, or the image is for another processor.",
        fix=(
            (
                "grep ldconfig /etc/nvidia-container-runtime/config.toml",
                'nothing: shows the path; on most systems it is "@/sbin/ldconfig" (Debian, Ubuntu: "@/sbin/ldconfig.real")',
            ),
            (
                "docker run --device nvidia.com/gpu=all IMAGE",
                "with CDI the libraries are listed beforehand, outside of the container",
            ),
        ),
        link="https://github.com/NVIDIA/nvidia-container-toolkit/issues/147",
        examples=("nvidia-container-cli: ldcache error: process /sbin/ldconfig failed with error code: 1",),
    ),
    Symptom(
        id="dk-compose-old",
        area="container-runtime",
        weight=76,
        signs=(
            "reservations value 'devices' does not match any of the regexes",
            "Unsupported config option for services{x:any}: 'deploy'",
            "Unsupported config option for services{x:any}: 'gpus'",
            "services.{name}.deploy.resources.reservations Additional property devices is not allowed",
        ),
        what="This Docker Compose is too old to give containers a GPU.",
        cause="Devices can be reserved from Compose 1.28 on; docker-compose of many distributions is older.",
        fix=(
            (
                "docker compose version",
                "nothing: shows whether the plugin of Docker (version 2) is there; use it in place of docker-compose",
            ),
        ),
        link="https://docs.docker.com/compose/how-tos/gpu-support/",
        examples=(
            "ERROR: The Compose file is invalid because:\nservices.trainer.deploy.resources.reservations value 'devices' does not match any of the regexes: '^x-'",
        ),
    ),
    Symptom(
        id="dk-socket",
        area="container-runtime",
        weight=80,
        signs=(
            "permission denied while trying to connect to the Docker daemon socket",
            "permission denied while trying to connect to the docker API",
            "Got permission denied while trying to connect to the Docker daemon",
        ),
        what="You may not talk to Docker.",
        cause="Your user is not in the group docker.",
        fix=(("sudo usermod -aG docker $USER && newgrp docker", "adds you to the group"),),
        examples=(
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        ),
    ),
    Symptom(
        id="dk-daemon",
        area="container-runtime",
        weight=78,
        signs=(
            "Cannot connect to the Docker daemon",
            "Is the docker daemon running",
            "error during connect: ... docker_engine",
            "docker daemon is not running",
            "failed to connect to the docker API",
        ),
        unless=("permission denied",),
        what="Docker does not run.",
        cause="No daemon answers at Docker's socket.",
        fix=(("sudo systemctl start docker", "starts it (Docker Desktop: open the program)"),),
        examples=("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",),
    ),
    Symptom(
        id="dk-image",
        area="container-runtime",
        weight=72,
        signs=(
            "manifest unknown",
            "pull access denied for",
            "no matching manifest for",
            "exec format error",
            "requested image's platform ({have}) does not match the detected host platform",
        ),
        what="The image is not there, or not for this processor.",
        cause="The registry has no such tag, or only for another platform.",
        fix=(("docker manifest inspect IMAGE", "nothing: lists the platforms of the image"),),
        examples=(
            "Error response from daemon: manifest for nvidia/cuda:13.9-base not found: manifest unknown: manifest unknown",
        ),
    ),
    Symptom(
        id="dk-context-canceled-noise",
        area="container-runtime",
        level=Level.NOISE,
        signs=("error waiting for container: context canceled",),
        what="Docker's 'context canceled' only says that the container did not start.",
        cause="",
    ),
)
