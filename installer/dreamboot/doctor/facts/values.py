"""The facts that checks are asked over; every field has a default, so that an example states only what matters."""

from __future__ import annotations

from dataclasses import field
from typing import Mapping, Optional, Tuple

from dreamboot.model import Machine
from dreamboot.values import value

# A fact of Windows that was not asked for, because this is another system.
NOT_ASKED = "not asked"


@value
class Target:
    """The Python that is examined. `kind`: venv, uv-venv, conda, store, portable or system.

    `site`: the folders that packages come from, in the order of sys.path; `own_site`: those of the environment itself.
    `base`: the interpreter that a virtual environment was made from, `base_missing` when it is gone.
    """

    python: str = ""
    prefix: str = ""
    kind: str = "venv"
    version: str = ""
    bits: int = 64
    site: Tuple[str, ...] = ()
    own_site: Tuple[str, ...] = ()
    user_site: str = ""
    system_site: bool = False
    base: str = ""
    base_missing: bool = False
    made_by_uv: bool = False
    externally_managed: bool = False
    exists: bool = True

    @property
    def minor(self) -> str:
        """ "3.11" of "3.11.7"."""
        return ".".join(self.version.split(".")[:2])


@value
class Package:
    """One installed distribution. `name` is normalised (lower case, dashes). `site`: the folder that holds it.

    `mtime`: seconds, of its RECORD. `origin`: the address that it was installed from, "" for an index.
    """

    name: str
    version: str = ""
    site: str = ""
    folder: str = ""
    requires: Tuple[str, ...] = ()
    requires_python: str = ""
    installer: str = ""
    record: bool = True
    metadata: bool = True
    editable: bool = False
    origin: str = ""


@value
class Torch:
    """The torch that is imported: from its version.py. `tag` like cu126, rocm6.4, xpu, cpu; "" when nothing tells."""

    version: str = ""
    tag: str = ""
    cuda: str = ""
    hip: str = ""
    site: str = ""

    @property
    def release(self) -> str:
        """The version without its local tag."""
        return self.version.partition("+")[0]


@value
class Extension:
    """A package with compiled code and the torch that it was built for, as far as its files tell."""

    name: str
    version: str = ""
    torch: str = ""
    cuda: str = ""
    python_tags: Tuple[str, ...] = ()
    libraries: Tuple[str, ...] = ()
    needs: str = ""


@value
class FileFault:
    """What is wrong with the files of one package: names of missing, cut and changed files (a few of them)."""

    package: str
    missing: Tuple[str, ...] = ()
    resized: Tuple[str, ...] = ()
    changed: Tuple[str, ...] = ()
    count: int = 0


@value
class PipSettings:
    """pip's settings that redirect installations, and where each was read."""

    values: Mapping[str, str] = field(default_factory=dict)
    read_from: Mapping[str, str] = field(default_factory=dict)


@value
class Hub:
    """The hub's cache. Sizes in MiB. `incomplete`: unfinished downloads, `broken`: links to nothing."""

    home: str = ""
    exists: bool = False
    writable: bool = True
    free_mib: Optional[int] = None
    incomplete: Tuple[str, ...] = ()
    broken: Tuple[str, ...] = ()
    token: bool = False
    gated: Tuple[str, ...] = ()


@value
class AccelerateConfig:
    """accelerate's default configuration: its top-level keys and values as text; `fault` when it can't be read."""

    path: str = ""
    exists: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@value
class ModelFile:
    """One model file. `kind`: safetensors, pickle, pointer (git-lfs), page (HTML), other. `fault` names what is wrong.

    `channels`: input channels of the UNet, where the header tells. `family` sd1, sd2, sdxl, sd3, flux or "".
    """

    path: str
    kind: str = "safetensors"
    fault: str = ""
    channels: int = 0
    family: str = ""


@value
class PhotoFolder:
    """A folder of training images: how many lie in it directly and in N_name folders; files that are no images."""

    path: str = ""
    direct: int = 0
    numbered: int = 0
    not_images: Tuple[str, ...] = ()
    mislabelled: Tuple[str, ...] = ()
    cut: Tuple[str, ...] = ()
    reversed_names: Tuple[str, ...] = ()


@value
class Container:
    """How the container engine is set up. `program`: the resolved path of docker."""

    program: str = ""
    daemon_fault: str = ""
    runtimes: Mapping[str, str] = field(default_factory=dict)
    missing_runtimes: Tuple[str, ...] = ()
    cdi_faults: Tuple[str, ...] = ()


@value
class Launcher:
    """Which Python the user's own start would take.

    `path_python`: the first on PATH; `scripts`: start script → the Python that it names.
    """

    path_python: str = ""
    virtual_env: str = ""
    conda_prefix: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)


@value
class UnfinishedBuild:
    """A generation of ours that was begun and never verified. `in_use`: the older one that works, None without one."""

    environment: str
    generation: int
    in_use: Optional[int] = None


@value
class Facts:
    """All facts of one examination. `unfinished_builds`: None where no home was looked into."""

    machine: Machine = Machine(os="linux")
    target: Target = Target()
    packages: Tuple[Package, ...] = ()
    torch: Optional[Torch] = None
    torch_copies: Tuple[Torch, ...] = ()
    extensions: Tuple[Extension, ...] = ()
    leftovers: Tuple[str, ...] = ()
    file_faults: Tuple[FileFault, ...] = ()
    torch_without_metadata: bool = False
    path_files: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    user_packages: Tuple[Package, ...] = ()
    pythonpath_packages: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    shadowing_libraries: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    missing_paths: Mapping[str, str] = field(default_factory=dict)
    pip: PipSettings = PipSettings()
    hub: Hub = Hub()
    accelerate: AccelerateConfig = AccelerateConfig()
    model_files: Tuple[ModelFile, ...] = ()
    photos: Tuple[PhotoFolder, ...] = ()
    container: Container = Container()
    launcher: Launcher = Launcher()
    vc_runtime: str = ""
    bundled_vc_runtime: str = ""
    wsl_libraries: Tuple[str, ...] = ()
    kfd_writable: Optional[bool] = None
    unfinished_builds: Optional[Tuple[UnfinishedBuild, ...]] = None

    def package(self, name: str) -> Optional[Package]:
        """The installed distribution that is imported under this (normalised) name."""
        return next((package for package in self.packages if package.name == name), None)

    def version(self, name: str) -> str:
        """Its version, "" when it is not installed."""
        found = self.package(name)
        return found.version if found else ""

    def extension(self, name: str) -> Optional[Extension]:
        """A compiled package by name."""
        return next((extension for extension in self.extensions if extension.name == name), None)

    @property
    def platform(self) -> str:
        """As the catalog spells it: "linux-x86_64"."""
        return f"{self.machine.os}-{self.machine.arch}"
