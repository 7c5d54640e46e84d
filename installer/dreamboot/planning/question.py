"""What the rules look at: one value that holds the machine, the wish, the target device and the interpreters."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from packaging.requirements import Requirement

from dreamboot.catalog import Catalog
from dreamboot.model import Driver, Gpu, Machine, SourceKind, Vendor, Wish
from dreamboot.values import value

Strings = Tuple[str, ...]


@value
class Card:
    """A GPU to plan for, with what the catalog adds to what the machine says.

    `fp16` is False where half precision gives NaN; `data_center` allows forward compatibility of CUDA.
    """

    gpu: Gpu
    compute_capability: str = ""
    gfx: str = ""
    fp16: bool = True
    bf16: bool = False
    data_center: bool = False
    last_driver_branch: str = ""

    @property
    def label(self) -> str:
        """How people are told of it: "GPU 0 NVIDIA GeForce RTX 3060 (8.6)"."""
        code = self.compute_capability or self.gfx
        return f"GPU {self.gpu.index} {self.gpu.name}" + (f" ({code})" if code else "")


@value
class Target:
    """What the build shall compute on. `device`: cuda, rocm, xpu, mps or cpu."""

    device: str
    reason: str
    cards: Tuple[Card, ...] = ()
    driver: Optional[Driver] = None
    driver_stated: bool = True
    warnings: Strings = ()
    left_out: Tuple[Card, ...] = ()

    @property
    def vendor(self) -> Optional[Vendor]:
        """The maker of the cards; None for the CPU."""
        return self.cards[0].gpu.vendor if self.cards else None


@value
class Interpreter:
    """A Python that could run the environment. `path` "" means: uv downloads it. `fault`: why it can't be used."""

    version: str
    path: str = ""
    kind: str = ""
    fault: str = ""
    rank: int = 0

    @property
    def minor(self) -> str:
        """ "3.11.9" → "3.11"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"Python {self.version} ({self.path or 'downloaded by uv'})"


@value
class Candidate:
    """One torch build at one source: what the rules judge.

    `pythons`: minors that it has a wheel for. `code`, `ptx`: compute capabilities compiled in (CUDA only); `known`
    is False when the catalog has no row for it. `plain`: the file name carries no local tag.
    """

    version: str
    tag: str
    kind: SourceKind
    source: str
    url: str = ""
    pythons: Strings = ()
    glibc: str = ""
    macos: str = ""
    code: Strings = ()
    ptx: Strings = ()
    known: bool = True
    plain: bool = False
    unfit: str = ""
    source_fault: str = ""
    source_rank: int = 0
    unverified: bool = False

    @property
    def label(self) -> str:
        """ "2.14.1+cu126 (pytorch-index)"."""
        return f"torch {self.version}+{self.tag} ({self.kind.value})"


@value
class Question:
    """Everything that a rule may look at."""

    machine: Machine
    wish: Wish
    catalog: Catalog
    target: Target
    interpreters: Tuple[Interpreter, ...]
    pins: Dict[str, Requirement]
    constraints: Dict[str, Tuple[Requirement, ...]]

    @property
    def platform(self) -> str:
        """ "linux-x86_64"."""
        return platform_of(self.machine)


@value
class Objection:
    """Why a rule rejects a candidate; `remedy` is what a person can do about it, "" when nothing can be done.

    `conflict`: the id of the known conflict behind it, where its facts alone don't tell. `elsewhere`: the remedy leads
    to another build than this one.
    """

    reason: str
    remedy: str = ""
    conflict: str = ""
    elsewhere: bool = False


def platform_of(machine: Machine) -> str:
    """`os-arch`, the spelling of the catalog."""
    return f"{machine.os}-{machine.arch}"
