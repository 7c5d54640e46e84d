"""The files of the training stack are all there, and whole."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, reinstall
from dreamboot.doctor.facts.values import Facts, FileFault
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Compared with RECORD: existence and length."""
    broken = [fault for fault in facts.file_faults if fault.missing or fault.resized]
    if not broken:
        return ok("every recorded file is there")
    fault = broken[0]
    version = facts.version(fault.package)
    what = (
        f"{', '.join(fault.missing[:2])} is missing"
        if fault.missing
        else f"{', '.join(fault.resized[:2])} has another length than recorded"
    )
    more = f" ({fault.count} files in all)" if fault.count > 1 else ""
    names = [f"{one.package}=={facts.version(one.package)}" for one in broken]
    if (
        any(one.package in ("torch", "torchvision") for one in broken)
        and facts.torch is not None
        and facts.torch.tag not in ("", "cpu")
    ):
        step = manual(
            f"uv pip install --python {facts.target.python or 'python'} --reinstall {' '.join(names)} --torch-backend {facts.torch.tag}",
            "installs every file again",
        )
    else:
        step = reinstall(facts, *names)
    return error(
        f"{fault.package} {version} is installed incompletely.",
        f"{what}{more}: an installation was interrupted, or something deleted files.",
        step,
    )


CHECK = Check(
    id="files-missing",
    area="corrupted-install",
    why="A package with missing files fails somewhere deep in an import, and installers skip it because its folder is there.",
    run=run,
    requires=("records-complete",),
    cases=("cor-interrupted-install",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(file_faults=(FileFault(package="torch", missing=("torch/functional.py",), count=1),)),
            expect=Status.ERROR,
        ),
        Case(
            facts=Facts(file_faults=(FileFault(package="torch", changed=("torch/x.py",), count=1),)), expect=Status.OK
        ),
    ),
)
