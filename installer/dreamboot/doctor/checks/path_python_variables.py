"""PYTHONPATH and PYTHONHOME do not bend the environment."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, info, manual, ok
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """PYTHONHOME always hurts a virtual environment, PYTHONPATH when it holds packages."""
    if "PYTHONHOME" in facts.environ:
        return error(
            "PYTHONHOME is set.",
            f"It is {facts.environ['PYTHONHOME']!r}: Python looks for its own library there.",
            manual("unset PYTHONHOME", "Python finds its own library (Windows: set PYTHONHOME=)"),
        )
    for folder, names in facts.pythonpath_packages.items():
        if names:
            return error(
                "PYTHONPATH puts other packages first.",
                f"{folder} holds {', '.join(names[:4])}, which are imported instead of this environment's.",
                manual("unset PYTHONPATH", "the environment's own packages are imported"),
            )
    if facts.pythonpath_packages:
        return info(
            f"PYTHONPATH is set ({', '.join(facts.pythonpath_packages)}), and holds no package of the training stack"
        )
    return ok("PYTHONPATH and PYTHONHOME are not set")


CHECK = Check(
    id="path-python-variables",
    area="path-leak",
    why="Both variables reach into every Python that is started.",
    run=run,
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(environ={"PYTHONHOME": "/x"}), expect=Status.ERROR),
        Case(facts=Facts(pythonpath_packages={"/x": ("torch",)}), expect=Status.ERROR),
        Case(facts=Facts(pythonpath_packages={"/x": ()}), expect=Status.INFO),
    ),
)
