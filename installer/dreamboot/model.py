"""The nouns: what a machine is, what is wished for, decided, done and found. Imports nothing of ours but `values`."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from dreamboot.values import canonical, value

SCHEMA = 1


# ---------------------------------------------------------------- errors


@value
class Problem:
    """What a person is told when something is wrong. `hint` is a command to paste or the next thing to do."""

    id: str
    what: str
    cause: str = ""
    hint: str = ""
    link: str = ""


class ExitCode(enum.IntEnum):
    """The exit codes of every command."""

    DONE = 0
    PROBLEM = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 130


class DreambootError(Exception):
    """The only exception that is meant for people."""

    def __init__(self, problem: Problem, *, exit_code: ExitCode = ExitCode.PROBLEM) -> None:
        super().__init__(problem.what)
        self.problem = problem
        self.exit_code = exit_code


# ---------------------------------------------------------------- the machine


class Vendor(str, enum.Enum):
    """Makers of GPUs that PyTorch has builds for."""

    NVIDIA = "nvidia"
    AMD = "amd"
    INTEL = "intel"
    APPLE = "apple"


@value
class GpuProcess:
    """A process that holds video memory."""

    pid: int
    name: str = ""
    vram_mib: Optional[int] = None


@value
class Gpu:
    """One graphics processor.

    VRAM in MiB. `compute_capability` like "8.9" (NVIDIA), `gfx` like "gfx1100" (AMD). `driver_model` is "WDDM", "TCC"
    or "MCDM" on Windows. `integrated` marks a GPU that shares the processor's memory. `usable` is False for a display
    adapter that no PyTorch build computes on (an Intel UHD, say): listed, because it is there, and never planned for.
    """

    vendor: Vendor
    name: str
    index: int = 0
    uuid: str = ""
    pci_id: str = ""
    vram_total_mib: Optional[int] = None
    vram_free_mib: Optional[int] = None
    compute_capability: str = ""
    gfx: str = ""
    driver_model: str = ""
    mig: bool = False
    integrated: bool = False
    usable: bool = True
    processes: Tuple[GpuProcess, ...] = ()


@value
class Driver:
    """A GPU driver. `cuda_version`: the newest CUDA that an NVIDIA driver itself supports, "" where unknown."""

    vendor: Vendor
    version: str
    cuda_version: str = ""


@value
class Python:
    """An interpreter found on the machine. `kind`: system, venv, conda, store, pyenv, uv, other."""

    path: str
    version: str
    bits: int = 64
    free_threaded: bool = False
    implementation: str = "cpython"
    kind: str = "system"
    has_venv: bool = True
    has_pip: bool = True


@value
class Disk:
    """Free room on one path that a build uses. `purpose`: home, tmp, cache, work. Sizes in MiB."""

    purpose: str
    path: str
    free_mib: int
    total_mib: int
    writable: bool = True


@value
class ContainerEngine:
    """Docker or Podman as seen from here. `gpu_access`: what lets containers use a GPU (toolkit, cdi, runtime)."""

    name: str
    version: str = ""
    running: bool = False
    rootless: bool = False
    gpu_access: Tuple[str, ...] = ()
    cdi_devices: Tuple[str, ...] = ()


@value
class PackageIndexes:
    """Where this machine's user gets Python packages from: pip's and uv's own configuration, read and merged.

    `find_links` are folders or pages of wheels, `constraints` requirement strings. URLs keep no passwords:
    credentials are left out when these are printed or stored.
    """

    index_url: str = ""
    extra_index_urls: Tuple[str, ...] = ()
    find_links: Tuple[str, ...] = ()
    constraints: Tuple[str, ...] = ()
    certificate: str = ""
    client_certificate: str = ""
    proxy: str = ""
    trusted_hosts: Tuple[str, ...] = ()
    no_index: bool = False
    read_from: Tuple[str, ...] = ()


class SourceKind(str, enum.Enum):
    """Where a torch build comes from, in the order in which sources are asked."""

    PYTORCH_INDEX = "pytorch-index"
    FIND_LINKS = "find-links"
    CONFIGURED_INDEX = "configured-index"
    DEFAULT_INDEX = "default-index"


@value
class PackageSource:
    """A place that may hold torch wheels, as seen from this machine.

    `reachable` is None when it was not tried (a stated machine: taken as reachable). `torch_wheels` are file names,
    read from find-links folders and configured indexes; what the PyTorch and the default index hold, the catalog knows.
    """

    kind: SourceKind
    url: str = ""
    reachable: Optional[bool] = None
    torch_wheels: Tuple[str, ...] = ()
    reason: str = ""


@value
class Fault:
    """A probe's bad news about the machine itself, as a fact: the driver does not answer, WSL blocks it …"""

    id: str
    cause: str
    evidence: str = ""
    vendor: Optional[Vendor] = None


@value
class ProbeRun:
    """What one probe asked, how long it took (seconds) and, when it learnt nothing, why."""

    probe: str
    asked: Tuple[str, ...] = ()
    seconds: float = 0.0
    failed: str = ""


@value
class Machine:
    """Everything known about one machine; every field can be stated instead of read (`--assume FILE`).

    `os`: linux, windows or macos. `arch`: x86_64 or aarch64 (arm64 is spelt aarch64 everywhere). `libc`: glibc or musl.
    Memory in MiB. `wsl`: 0, 1 or 2. `container`: "" or docker, podman, kubernetes, lxc, other.
    """

    os: str
    schema: int = SCHEMA
    os_version: str = ""
    distribution: str = ""
    arch: str = "x86_64"
    libc: str = ""
    libc_version: str = ""
    cpu: str = ""
    cpu_cores: int = 1
    cpu_flags: Tuple[str, ...] = ()
    ram_total_mib: Optional[int] = None
    ram_free_mib: Optional[int] = None
    swap_total_mib: Optional[int] = None
    shared_memory_mib: Optional[int] = None
    wsl: int = 0
    container: str = ""
    long_paths: Optional[bool] = None
    gpus: Tuple[Gpu, ...] = ()
    drivers: Tuple[Driver, ...] = ()
    pythons: Tuple[Python, ...] = ()
    disks: Tuple[Disk, ...] = ()
    engines: Tuple[ContainerEngine, ...] = ()
    indexes: PackageIndexes = PackageIndexes()
    sources: Tuple[PackageSource, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    faults: Tuple[Fault, ...] = ()
    probes: Tuple[ProbeRun, ...] = ()


# ---------------------------------------------------------------- the wish and the decision


@value
class Wish:
    """What the user asks for. Empty means: decide for me.

    `pins` are requirement strings ("torch==2.11.0"), `gpus` indexes of the GPUs to use, `device` "cpu" forces the CPU.
    """

    family: str = "sd1"
    method: str = "full"
    profile: str = ""
    device: str = ""
    gpus: Tuple[int, ...] = ()
    pins: Tuple[str, ...] = ()
    resolution: Optional[int] = None
    torchvision: bool = False
    torch_index: str = ""
    index: str = ""
    offline: bool = False


@value
class KnownConflict:
    """A row of the catalog's known conflicts: its id, the packages that it is between, where it is known from."""

    id: str
    packages: Tuple[str, ...]
    source: Tuple[str, ...]


@value
class Rejected:
    """A candidate that was not taken, and why; `conflict` where a known one is the reason."""

    candidate: str
    reason: str
    rule: str = ""
    conflict: Optional[KnownConflict] = None


@value
class Choice:
    """One decision with its reason: `topic` says of what."""

    topic: str
    value: str
    reason: str


@value
class TorchBuild:
    """The torch wheel of a plan: "2.13.0", tag "cpu", and the source that has it.

    `plain`: the source spells the file without a local tag ("torch-2.13.0-…"), as mirrors of the default index do.
    """

    version: str
    tag: str
    source: SourceKind
    url: str = ""
    plain: bool = False

    @property
    def local_version(self) -> str:
        """The version with its local tag as the PyTorch index and find-links spell it: "2.13.0+cpu".

        The default index carries no local tag in its file names.
        """
        if self.plain or self.source is SourceKind.DEFAULT_INDEX or not self.tag or self.tag == "mps":
            return self.version
        return f"{self.version}+{self.tag}"


@value
class Preset:
    """Training settings that fit this machine, with their predicted cost (MiB, seconds).

    `seconds_per_step` is the published figure for a Tesla T4 with these settings, None where none is published.
    `settings` are keys of the trainer's configuration; `method` is "full" or "lora".
    """

    method: str = "full"
    settings: Mapping[str, Any] = field(default_factory=dict)
    mixed_precision: str = "no"
    predicted_vram_mib: Optional[int] = None
    seconds_per_step: Optional[float] = None
    reason: str = ""


@value
class Cost:
    """What a plan will take: bytes to download, bytes on disk, seconds."""

    download_bytes: Optional[int] = None
    disk_bytes: Optional[int] = None
    seconds: Optional[float] = None


@value
class Plan:
    """The decided build for one machine and one wish: a value to print, save, compare and replay elsewhere.

    `packages`: exact or bounded requirement per distribution ("==0.42.1", ">=0.42"), torch with its local version.
    `indexes`: where everything but torch is resolved from; `unused_folders`: find-links of it whose torch would take
    the place of the planned one. `environment`: variables to set, reasons in `because`.
    """

    python: str
    torch: TorchBuild
    schema: int = SCHEMA
    device: str = "cpu"
    gpus: Tuple[int, ...] = ()
    python_path: str = ""
    platform: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    attention: str = "sdpa"
    patches: Tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    accelerate: Mapping[str, Any] = field(default_factory=dict)
    preset: Preset = Preset()
    cost: Cost = Cost()
    profile: str = ""
    because: Tuple[Choice, ...] = ()
    rejected: Tuple[Rejected, ...] = ()
    warnings: Tuple[str, ...] = ()
    indexes: PackageIndexes = PackageIndexes()
    unused_folders: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Hash of what gets built; reasons, costs and the training preset do not change it."""
        return plan_id({name: getattr(self, name) for name in _BUILT})


_BUILT = ("python", "platform", "torch", "packages", "patches", "environment", "profile")


def plan_id(plan: Mapping[str, Any]) -> str:
    """`Plan.id` of a plan as plain data, as plan.json holds it: without the cost of making a `Plan` of it."""
    import hashlib

    return hashlib.sha256(canonical([plan[name] for name in _BUILT]).encode()).hexdigest()[:12]


@value
class Refusal:
    """No candidate works: the problem with the shortest way out, and every candidate's reason.

    `conflicts`: the known conflicts that the refusal rests on.
    """

    problem: Problem
    schema: int = SCHEMA
    rejected: Tuple[Rejected, ...] = ()
    conflicts: Tuple[KnownConflict, ...] = ()


Decision = Union[Plan, Refusal]


# ---------------------------------------------------------------- doing


class EventKind(str, enum.Enum):
    """The five things that can be told about work."""

    STARTED = "started"
    LINE = "line"
    PROGRESS = "progress"
    FINISHED = "finished"
    FAILED = "failed"


@value
class Event:
    """One thing that happened. Faces fold events into text, JSON or HTML.

    `done`/`total` count `unit` (bytes, steps, images, packages); total is None while it is unknown.
    """

    kind: EventKind
    stage: str
    message: str = ""
    done: Optional[float] = None
    total: Optional[float] = None
    unit: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    problem: Optional[Problem] = None


@value
class Report:
    """How a use case ended: the last thing that it yields. `data` is what `--json` prints."""

    command: str
    data: Any
    exit_code: ExitCode = ExitCode.DONE
    problem: Optional[Problem] = None
    messages: Tuple[str, ...] = ()


@value
class Environment:
    """A built environment: `root`/generations/`generation`, with the interpreter that runs the trainer."""

    name: str
    root: str
    generation: int
    python: str
    plan_id: str

    @property
    def path(self) -> str:
        """The folder of this generation."""
        import os.path

        return os.path.join(self.root, "generations", str(self.generation))  # noqa: PTH118 - strings, no I/O


# ---------------------------------------------------------------- finding


class Status(str, enum.Enum):
    """The seven outcomes of a check. Only `error` and `crashed` make the exit code 1."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"
    OMITTED = "omitted"
    CRASHED = "crashed"


@value
class FixStep:
    """One step of a repair: a command for the user or an action of ours, and what it changes."""

    command: str
    changes: str = ""
    automatic: bool = False
    arguments: Tuple[str, ...] = ()


@value
class Finding:
    """What one check says."""

    id: str
    area: str
    status: Status
    evidence: str = ""
    problem: Optional[Problem] = None
    fix: Tuple[FixStep, ...] = ()


JsonDict = Dict[str, Any]
