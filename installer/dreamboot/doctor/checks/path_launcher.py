"""The program is started with this Python."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Launcher, Target
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """What PYTHON, an activated environment and the start scripts name."""
    target, launcher = facts.target, facts.launcher
    folder = facts.environ.get("PYTHON", "")
    if folder and not folder.lower().endswith((".exe", "python", "python3")) and "python3." not in folder:
        return warning(
            "PYTHON is not a program.",
            f"It is {folder!r}; launchers start what it names.",
            manual("unset PYTHON", "launchers take the environment's Python"),
        )
    for script, python in launcher.scripts.items():
        absolute = python.startswith("/") or python[1:3] == ":\\"
        if absolute and target.prefix and not python.replace("\\", "/").startswith(target.prefix.replace("\\", "/")):
            return warning(
                "The launcher starts another Python.",
                f"{script} names {python}; this environment is {target.prefix}.",
                manual(f"edit {script}", f"let it start {target.python}"),
            )
    active = launcher.virtual_env or launcher.conda_prefix
    if active and target.prefix and active.rstrip("/\\") != target.prefix.rstrip("/\\") and target.kind != "system":
        return warning(
            "Another environment is activated.",
            f"Active is {active}; examined was {target.prefix}.",
            manual(f"{target.python} ...", "start programs with this Python"),
        )
    return ok(f"nothing starts another Python than {target.python}")


_TARGET = Target(python="/sd/venv/bin/python", prefix="/sd/venv")

CHECK = Check(
    id="path-launcher",
    area="path-leak",
    why="Packages are installed in one Python, and the program runs in another.",
    run=run,
    cases=("venv-py313-path-spaces", "venv-fullpath-python", "cc-5070ti-wrong-python"),
    examples=(
        Case(facts=Facts(target=_TARGET), expect=Status.OK),
        Case(facts=Facts(target=_TARGET, environ={"PYTHON": "/usr/bin"}), expect=Status.WARNING),
        Case(
            facts=Facts(target=_TARGET, launcher=Launcher(scripts={"/sd/webui-user.sh": "/usr/bin/python3"})),
            expect=Status.WARNING,
        ),
        Case(facts=Facts(target=_TARGET, launcher=Launcher(virtual_env="/other/venv")), expect=Status.WARNING),
    ),
)
