"""What a check is, and the answers it can give."""

from __future__ import annotations

from typing import Callable, Tuple

from dreamboot.doctor.facts.values import Facts
from dreamboot.model import FixStep, Status
from dreamboot.values import value


@value
class Outcome:
    """What a check says of the facts. For good news only `evidence` is filled."""

    status: Status
    evidence: str = ""
    what: str = ""
    cause: str = ""
    fix: Tuple[FixStep, ...] = ()
    link: str = ""


@value
class Case:
    """An example that the check must answer with `expect`; examples are its tests."""

    facts: Facts
    expect: Status


def always(_facts: Facts) -> bool:
    """The check applies everywhere."""
    return True


@value
class Check:
    """One question about an environment. `run` is pure over the facts; `requires`: ids that must not have failed.

    `cases`: ids of known cases (data of the tests) that this check recognises.
    """

    id: str
    area: str
    why: str
    run: Callable[[Facts], Outcome]
    examples: Tuple[Case, ...]
    applies: Callable[[Facts], bool] = always
    requires: Tuple[str, ...] = ()
    cases: Tuple[str, ...] = ()


def ok(evidence: str) -> Outcome:
    """All is well."""
    return Outcome(status=Status.OK, evidence=evidence)


def info(evidence: str, fix: Tuple[FixStep, ...] = ()) -> Outcome:
    """Worth knowing, nothing to do."""
    return Outcome(status=Status.INFO, evidence=evidence, fix=fix)


def warning(what: str, cause: str, *fix: FixStep, evidence: str = "", link: str = "") -> Outcome:
    """May fail, or works worse than it could."""
    return Outcome(status=Status.WARNING, evidence=evidence or cause, what=what, cause=cause, fix=fix, link=link)


def error(what: str, cause: str, *fix: FixStep, evidence: str = "", link: str = "") -> Outcome:
    """Training will fail."""
    return Outcome(status=Status.ERROR, evidence=evidence or cause, what=what, cause=cause, fix=fix, link=link)


def manual(command: str, changes: str) -> FixStep:
    """A step that only the user may take: drivers, daemons, licences, whatever needs another's rights."""
    return FixStep(command=command, changes=changes)


def install(facts: Facts, *requirements: str, why: str = "") -> FixStep:
    """Install or reinstall packages into the examined environment: an action that `--fix` can take."""
    shown = " ".join(f"'{one}'" if set(one) & set("<>=! ") else one for one in requirements)
    return FixStep(
        command=f"uv pip install --python {facts.target.python or 'python'} {shown}",
        changes=why or f"installs {', '.join(requirements)}",
        automatic=True,
        arguments=("install", *requirements),
    )


def reinstall(facts: Facts, *requirements: str, why: str = "") -> FixStep:
    """Install the same version again, over whatever is there."""
    python = facts.target.python or "python"
    return FixStep(
        command=f"uv pip install --python {python} --reinstall --no-deps {' '.join(requirements)}",
        changes=why or f"installs every file of {', '.join(requirements)} again",
        automatic=True,
        arguments=("reinstall", *requirements),
    )


def uninstall(facts: Facts, *names: str, why: str = "") -> FixStep:
    """Remove packages."""
    return FixStep(
        command=f"uv pip uninstall --python {facts.target.python or 'python'} {' '.join(names)}",
        changes=why or f"removes {', '.join(names)}",
        automatic=True,
        arguments=("uninstall", *names),
    )


def remove(*paths: str, why: str) -> FixStep:
    """Move files or folders out of the way (kept in the snapshot)."""
    return FixStep(command="rm -r " + " ".join(paths), changes=why, automatic=True, arguments=("remove", *paths))


def rewrite(path: str, content: str, why: str) -> FixStep:
    """Write a small file anew (its old content is kept in the snapshot)."""
    return FixStep(command=f"edit {path}", changes=why, automatic=True, arguments=("write", path, content))


# The action "another torch": which one is decided by the planner when `--fix` takes it.
TORCH = "torch"


def torch_steps(facts: Facts, tag: str) -> Tuple[FixStep, ...]:
    """How torch is replaced by another build: by the planner's choice for this machine, or by hand from that tag."""
    python = facts.target.python or "python"
    return (
        FixStep(
            command=f"dreamboot doctor --python {python} --fix",
            changes="replaces torch by the build that fits this machine (up to 3 GB to download)",
            automatic=True,
            arguments=(TORCH,),
        ),
        manual(
            f"uv pip install --python {python} --reinstall torch torchvision --torch-backend {tag}",
            f"the same by hand: the {tag} build of PyTorch's own index",
        ),
        manual("dreamboot plan", "nothing: shows the build that fits this machine, and why"),
    )


# The action "what is compiled for torch": torch stays, and the planner tells from where its companions come.
COMPANIONS = "companions"


def companion_steps(facts: Facts, wanted: str) -> Tuple[FixStep, ...]:
    """How `wanted`, a requirement, is installed for the torch that is there: from torch's own source, or by hand."""
    python = facts.target.python or "python"
    backend = facts.torch.tag if facts.torch else "auto"
    return (
        FixStep(
            command=f"dreamboot doctor --python {python} --fix",
            changes=f"installs {wanted} from where the installed torch comes from; torch stays",
            automatic=True,
            arguments=(COMPANIONS,),
        ),
        manual(
            f"uv pip install --python {python} --reinstall {wanted} --torch-backend {backend}",
            "the same by hand, from PyTorch's own index",
        ),
    )
