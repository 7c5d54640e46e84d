"""The environment does not mix with the packages of the Python that it was made from."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, ok, rewrite, warning
from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Facts, Target
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """include-system-site-packages in pyvenv.cfg."""
    if not facts.target.system_site:
        return ok("only its own packages are imported")
    path = f"{facts.target.prefix}/pyvenv.cfg"
    told = files.text(path).replace("include-system-site-packages = true", "include-system-site-packages = false")
    return warning(
        "This environment also imports the packages of the system.",
        f"{path} says include-system-site-packages = true: what is missing here comes from there, in any version.",
        rewrite(path, told, "the environment keeps to its own packages (install what is then missing)"),
    )


CHECK = Check(
    id="path-system-site",
    area="path-leak",
    why="An environment that was made with --system-site-packages breaks whenever the system's packages change.",
    run=run,
    cases=("venv-system-site",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(target=Target(prefix="/v", system_site=True)), expect=Status.WARNING),
    ),
)
