"""Nobody overwrote files of the training stack by hand."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, ok, reinstall, warning
from dreamboot.doctor.facts.values import Facts, FileFault
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Source files whose hash is not the recorded one; patches of ours are recorded, and known by their marker."""
    changed = [fault for fault in facts.file_faults if fault.changed]
    if not changed:
        return ok("no file was changed")
    fault = changed[0]
    names = [f"{one.package}=={facts.version(one.package)}" for one in changed]
    return warning(
        f"Files of {fault.package} were overwritten.",
        f"{', '.join(fault.changed[:3])} is not what was installed: old guides tell people to copy such files by hand.",
        reinstall(facts, *names, why="puts the original files back (keep a copy of yours)"),
    )


CHECK = Check(
    id="files-changed",
    area="corrupted-install",
    why="A hand-made change breaks with the next version, and no report of yours can be reproduced.",
    run=run,
    requires=("files-missing",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(
                file_faults=(FileFault(package="bitsandbytes", changed=("bitsandbytes/cextension.py",), count=1),)
            ),
            expect=Status.WARNING,
        ),
    ),
)
