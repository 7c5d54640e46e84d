"""What each package of the training stack requires is installed, in a version that it accepts."""

from __future__ import annotations

from typing import List, Tuple

from dreamboot.doctor.check import Case, Check, Outcome, error, install, ok, warning
from dreamboot.doctor.facts.integrity import WATCHED
from dreamboot.doctor.facts.packages import normalised
from dreamboot.doctor.facts.values import Facts, Package
from dreamboot.doctor.versions import marker_environment, requirement, within
from dreamboot.model import Status

# Judged by checks of their own, which know more than the metadata.
ELSEWHERE = ("torch", "torchvision", "triton", "numpy")


def unmet(facts: Facts) -> List[Tuple[Package, str, str, str]]:
    """(who asks, name, wanted, found) for every declared requirement that does not hold; extras are left out."""
    environment = marker_environment(facts)
    found = []
    for package in facts.packages:
        if package.name not in WATCHED:
            continue
        for line in package.requires:
            if "extra ==" in line or "extra==" in line:
                continue
            wanted = requirement(line)
            if wanted is None or (wanted.marker is not None and not wanted.marker.evaluate(environment)):  # type: ignore[attr-defined]
                continue
            name = normalised(wanted.name)  # type: ignore[attr-defined]
            have = facts.version(name)
            if name == "torch" or name.startswith(("nvidia-", "cuda-")) or (have and name in ELSEWHERE):
                continue
            specifier = str(wanted.specifier)  # type: ignore[attr-defined]
            if not have or (specifier and not within(have, specifier)):
                found.append((package, name, specifier, have))
    return found


def run(facts: Facts) -> Outcome:
    """Missing ones first, then wrong versions."""
    wrong = unmet(facts)
    if not wrong:
        return ok("all requirements are met")
    package, name, wanted, have = next((one for one in wrong if not one[3]), wrong[0])
    steps = install(facts, *dict.fromkeys(f"{one[1]}{one[2]}" for one in wrong))
    more = f" {len(wrong) - 1} more are not met." if len(wrong) > 1 else ""
    made = error if package.name not in ("torchaudio", "tensorboard", "setuptools") else warning
    return made(
        f"{package.name} {package.version} lacks what it requires.",
        f"Expected {name}{wanted}, found {have or 'nothing'}.{more}",
        steps,
    )


def _facts(hub: str) -> Facts:
    packages = (
        Package(
            name="transformers",
            version="4.57.1",
            requires=("huggingface-hub<1.0,>=0.34.0", "torch>=2.2; extra == 'torch'"),
        ),
    )
    return Facts(packages=packages + ((Package(name="huggingface-hub", version=hub),) if hub else ()))


CHECK = Check(
    id="requirements-met",
    area="version-conflict",
    why="transformers and diffusers check versions when they are imported, and refuse to start.",
    run=run,
    requires=("duplicate-packages", "records-complete", "known-conflicts"),
    cases=("pkg-split-state-dict", "cor-onetrainer-ctk", "pkg-diffusers-range-claim"),
    examples=(
        Case(facts=_facts("0.36.0"), expect=Status.OK),
        Case(facts=_facts("1.2.0"), expect=Status.ERROR),
        Case(facts=_facts(""), expect=Status.ERROR),
    ),
)
