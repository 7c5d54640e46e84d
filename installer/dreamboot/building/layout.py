"""Where everything lies under the home folder: paths only, no decisions and no I/O."""

from __future__ import annotations

from pathlib import Path

from dreamboot.values import value


@value
class Layout:
    """The folders of one home."""

    home: Path

    @property
    def environments(self) -> Path:
        """All environments."""
        return self.home / "envs"

    @property
    def uv_cache(self) -> Path:
        """uv's own cache: metadata and unpacked wheels that environments link to."""
        return self.home / "cache" / "uv"

    @property
    def wheels(self) -> Path:
        """Downloaded wheels by sha256, shared by all environments."""
        return self.home / "cache" / "wheels"

    @property
    def locks(self) -> Path:
        """Locks made a short time ago, by what was asked."""
        return self.home / "cache" / "locks"

    @property
    def trainers(self) -> Path:
        """Copies of the trainer's code by content hash, one per version that an environment ran."""
        return self.home / "cache" / "trainer"

    @property
    def runs(self) -> Path:
        """Training runs that were not given a folder of their own."""
        return self.home / "runs"

    @property
    def models(self) -> Path:
        """Base models converted from checkpoints."""
        return self.home / "models"

    def environment(self, name: str) -> EnvironmentLayout:
        """The folders of one environment."""
        return EnvironmentLayout(name=name, root=self.environments / name)


@value
class EnvironmentLayout:
    """`root`/generations/N, and the pointer file `current` that says which N is in use."""

    name: str
    root: Path

    @property
    def pointer(self) -> Path:
        """A small file that holds the number of the generation in use."""
        return self.root / "current"

    @property
    def lock(self) -> Path:
        """Held by whoever builds."""
        return self.root / "build.lock"

    @property
    def holder(self) -> Path:
        """The id of the process that holds it; there only meanwhile."""
        return self.root / "build.holder"

    @property
    def generations(self) -> Path:
        """All generations."""
        return self.root / "generations"

    def generation(self, number: int) -> GenerationLayout:
        """The folders of one generation."""
        return GenerationLayout(number=number, path=self.generations / str(number))


@value
class GenerationLayout:
    """What one generation consists of."""

    number: int
    path: Path

    @property
    def venv(self) -> Path:
        """The virtual environment itself."""
        return self.path / "venv"

    @property
    def plan(self) -> Path:
        """The plan that it was built from."""
        return self.path / "plan.json"

    @property
    def requirements(self) -> Path:
        """What was asked of the resolver."""
        return self.path / "requirements.in"

    @property
    def pylock(self) -> Path:
        """PEP 751: every file with URL, size and sha256."""
        return self.path / "pylock.toml"

    @property
    def patches_pylock(self) -> Path:
        """The lock of the wheels that patches take files from; there only where a patch does."""
        return self.path / "pylock.patches.toml"

    @property
    def constraints(self) -> Path:
        """What later installs into this environment must keep: this torch, and pip's own constraints."""
        return self.path / "constraints.txt"

    @property
    def journal(self) -> Path:
        """One line per finished step."""
        return self.path / "journal.jsonl"

    @property
    def contents(self) -> Path:
        """What lay in its folder of packages when it was verified."""
        return self.path / "contents.txt"

    @property
    def accelerate(self) -> Path:
        """accelerate's configuration for this machine."""
        return self.path / "accelerate.yaml"

    def python(self, system: str) -> Path:
        """The interpreter that runs the trainer."""
        return self.venv / "Scripts" / "python.exe" if system == "windows" else self.venv / "bin" / "python"
