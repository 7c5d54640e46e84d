"""The catalog's rows, typed: one class per table, one row per fact, a source on each."""

from __future__ import annotations

from dataclasses import field
from typing import Mapping, Tuple

from dreamboot.values import value

Strings = Tuple[str, ...]


@value
class TorchRelease:
    """One torch release. Platforms are spelt `os-arch` as in `Machine` ("linux-x86_64").

    `default` and `index` name the build tags that the default package index (one per platform) and the PyTorch index
    hold. `glibc` and `macos` are the oldest versions that the wheels load on.
    """

    torch: str
    python: Strings
    default: Mapping[str, str]
    index: Mapping[str, Strings]
    source: Strings
    python_by_platform: Mapping[str, Strings] = field(default_factory=dict)
    free_threaded: Strings = ()
    glibc: str = ""
    glibc_by_tag: Mapping[str, str] = field(default_factory=dict)
    macos: str = ""
    macos_by_python: Mapping[str, str] = field(default_factory=dict)
    triton: str = ""
    torchvision: str = ""
    torchaudio: str = ""
    unverified: Strings = ()


@value
class Architectures:
    """Compute capabilities that a tag's builds hold machine code (`code`) and PTX for, releases `first`..`last`."""

    tag: str
    first: str
    last: str
    platforms: Strings
    code: Strings
    ptx: Strings
    source: Strings
    unverified: Strings = ()


@value
class CudaToolkit:
    """One CUDA toolkit. `ships_*`: the driver released with it; `minimum_*`: the oldest of its CUDA major version."""

    toolkit: str
    cuda: str
    tag: str
    ships_linux: str
    minimum_linux: str
    minimum_windows: str
    source: Strings
    ships_windows: str = ""
    unverified: Strings = ()


@value
class GpuModel:
    """One NVIDIA GPU. `fp16` is False where half precision gives NaN; `vram_gib` None where it varies."""

    name: str
    compute_capability: str
    architecture: str
    source: Strings
    vram_gib: float = 0
    aliases: Strings = ()
    last_driver_branch: str = ""
    fp16: bool = True
    data_center: bool = False
    unverified: Strings = ()


@value
class GpuFamily:
    """A pattern (regular expression over plain names) of NVIDIA GPUs that share a compute capability.

    `fp16` is False where half precision gives NaN.
    """

    pattern: str
    compute_capability: str
    source: Strings
    fp16: bool = True
    unverified: Strings = ()


@value
class FirstDriver:
    """The CUDA version whose driver was the first to know a compute capability."""

    compute_capability: str
    cuda: str
    source: Strings
    unverified: Strings = ()


@value
class JetsonBoard:
    """A compute capability of NVIDIA's boards whose Linux (L4T) has a driver of its own."""

    compute_capability: str
    boards: str
    source: Strings
    unverified: Strings = ()


@value
class CudnnLimit:
    """From torch `first` on, CUDA builds bring a cuDNN that has no code below `oldest_compute_capability`."""

    first: str
    cudnn: str
    oldest_compute_capability: str
    source: Strings
    unverified: Strings = ()


@value
class AmdTarget:
    """One AMD GPU target. `tags`: ROCm builds with code for it; `override`: HSA_OVERRIDE_GFX_VERSION, Linux only,
    which makes code for `override_gfx` (same family) run.
    """

    gfx: str
    family: str
    products: Strings
    tags: Strings
    source: Strings
    bf16: bool = False
    override: str = ""
    override_gfx: str = ""
    integrated: bool = False
    unverified: Strings = ()


@value
class IntelDevice:
    """A pattern (regular expression, case-insensitive) of Intel GPU names, and whether XPU builds compute on it."""

    pattern: str
    supported: bool
    what: str
    source: Strings
    first_torch: str = ""
    unverified: Strings = ()


@value
class BitsandbytesRelease:
    """One bitsandbytes release: per platform, its libraries and the compute capabilities in each ("9.0+PTX").

    `glibc`: what libraries with that beginning of their name need beyond the wheel's own tag.
    `loader`: "exact" takes only the library of torch's own CUDA version, "same-major" also a neighbour of its major.
    """

    version: str
    libraries: Mapping[str, Mapping[str, Strings]]
    loader: str
    source: Strings
    python: str = ""
    torch: str = ""
    glibc: Mapping[str, str] = field(default_factory=dict)
    unverified: Strings = ()


@value
class XformersRelease:
    """One xformers release: the torch it is built for and the oldest GPU that it has code for."""

    version: str
    torch: str
    python: Strings
    platforms: Strings
    index_tags: Strings
    oldest_compute_capability: str
    source: Strings
    unverified: Strings = ()


@value
class TritonWindows:
    """One triton-windows release and the torch minors ("2.14") that it pairs with."""

    version: str
    torch: Strings
    python: Strings
    source: Strings
    unverified: Strings = ()


@value
class Conflict:
    """Two sides that are known not to work together: `a` and `b` for people, `holds` for the planner.

    `holds`: fact → version specifier (or plain word), all of which are true where the conflict is. Facts are
    distributions, "python", "cuda", "compute-capability", "source" and "system". `rule`: the planner's rule or
    companion that speaks of it; "" where the planner never meets it.
    """

    id: str
    packages: Strings
    a: str
    b: str
    effect: str
    fix: str
    source: Strings
    rule: str = ""
    holds: Mapping[str, str] = field(default_factory=dict)
    unverified: Strings = ()


@value
class AccelerateKeys:
    """The keys that one accelerate release takes in its configuration file."""

    accelerate: str
    keys: Strings
    refuses_unknown_keys: bool
    source: Strings
    unverified: Strings = ()


@value
class Stack:
    """A set of package versions that were resolved and imported together.

    `python` and `torch` are specifiers; `packages`: requirement per distribution. `tied`: those that name ranges of
    each other in their metadata, so that moving one moves the others. `profile` names a stack that is taken only when
    asked for.
    """

    name: str
    python: str
    torch: str
    packages: Mapping[str, str]
    source: Strings
    tied: Strings = ()
    profile: str = ""
    patches: Strings = ()
    unverified: Strings = ()


@value
class Unpinnable:
    """A pattern (regular expression, whole canonical name) of names that can't be pinned, and what can instead."""

    pattern: str
    why: str
    instead: str
    source: Strings
    unverified: Strings = ()


@value
class Floor:
    """The oldest version of something that the trainer runs on, and what was seen below it.

    `what`: "torch", "python", "glibc" or a distribution as the table `stacks` spells it.
    """

    what: str
    oldest: str
    why: str
    source: Strings
    unverified: Strings = ()


@value
class BuildSize:
    """Bytes to download and on disk for one torch build with the libraries that it pulls in (MiB)."""

    tag: str
    platform: str
    source_kind: str
    download_mib: int
    disk_mib: int
    source: Strings
    unverified: Strings = ()


@value
class MemoryRow:
    """One predicted peak of video memory (MiB) for a training recipe; `base`: "nf4" for weights of 4 bits.

    `peak_mib`: of a step. `around_mib`: the most around the steps (prompts read, photos encoded, pictures drawn).
    """

    family: str
    method: str
    resolution: int
    batch: int
    checkpointing: bool
    optimizer: str
    mixed_precision: str
    peak_mib: int
    source: Strings
    around_mib: int = 0
    accumulation: int = 1
    base: str = "auto"
    text_encoder: bool = False
    speed: float = 0.0
    unverified: Strings = ()

    @property
    def most_mib(self) -> int:
        """The most that a run by this recipe holds at any time."""
        return max(self.peak_mib, self.around_mib)
