"""No package is recorded twice in one folder."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from collections import Counter

from dreamboot.doctor.check import Case, Check, Outcome, error, ok, reinstall, remove
from dreamboot.doctor.facts.values import Facts, Package, Target
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Two dist-info folders of one name: an update left the old one."""
    own = set(facts.target.own_site)
    here = [
        package for package in facts.packages if (package.site in own or not own) and package.installer != "distutils"
    ]
    twice = sorted(
        (name, site)
        for (name, site), count in Counter((package.name, package.site) for package in here).items()
        if count > 1
    )
    if not twice:
        return ok("each package is recorded once")
    name, site = twice[0]
    found = [package for package in here if (package.name, package.site) == (name, site)]
    versions = ", ".join(package.version for package in found)
    stale = [package.folder for package in found[:-1]]
    return error(
        f"{name} is recorded twice.",
        f"{site} holds records of {versions}: pip speaks of one version, Python imports another.",
        remove(*stale, why="removes the stale record"),
        reinstall(facts, f"{name}=={found[-1].version}"),
    )


def _facts(*versions: str) -> Facts:
    return Facts(
        target=Target(own_site=("/v",)),
        packages=tuple(Package(name="huggingface-hub", version=one, site="/v") for one in versions),
    )


CHECK = Check(
    id="duplicate-packages",
    area="corrupted-install",
    why="With two records nobody knows which files are there: 'is required …, but found …' although pip says otherwise.",
    run=run,
    cases=("pkg-hub-stale-copy",),
    examples=(
        Case(facts=_facts("0.23.4"), expect=Status.OK),
        Case(facts=_facts("0.17.1", "0.23.4"), expect=Status.ERROR),
    ),
)
