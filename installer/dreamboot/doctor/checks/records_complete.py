"""Every package has its record and metadata."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, ok, reinstall, remove, warning
from dreamboot.doctor.facts.integrity import WATCHED
from dreamboot.doctor.facts.values import Facts, Package, Target
from dreamboot.model import Status

SYSTEM_TOOLS = ("conda", "debian", "rpm", "distutils")


def run(facts: Facts) -> Outcome:
    """dist-info without RECORD or METADATA: an installation was interrupted."""
    own = set(facts.target.own_site)
    for package in facts.packages:
        if (own and package.site not in own) or package.installer in SYSTEM_TOOLS or package.editable:
            continue
        if package.metadata and package.record:
            continue
        missing = "METADATA" if not package.metadata else "RECORD"
        made = error if package.name in WATCHED else warning
        again = f"{package.name}=={package.version}" if package.version else package.name
        return made(
            f"The record of {package.name} is incomplete.",
            f"{package.folder} has no {missing}: its installation was interrupted, or it was copied by hand.",
            remove(package.folder, why="removes the incomplete record"),
            reinstall(facts, again),
        )
    return ok("every package has its record")


def _facts(*, record: bool = True, metadata: bool = True) -> Facts:
    return Facts(
        target=Target(own_site=("/v",)),
        packages=(
            Package(
                name="torch",
                version="2.11.0",
                site="/v",
                folder="/v/torch-2.11.0.dist-info",
                record=record,
                metadata=metadata,
            ),
        ),
    )


CHECK = Check(
    id="records-complete",
    area="corrupted-install",
    why="pip can neither update nor remove a package without RECORD: 'Cannot uninstall …'.",
    run=run,
    requires=("duplicate-packages",),
    examples=(
        Case(facts=_facts(), expect=Status.OK),
        Case(facts=_facts(record=False), expect=Status.ERROR),
        Case(facts=_facts(metadata=False), expect=Status.ERROR),
    ),
)
