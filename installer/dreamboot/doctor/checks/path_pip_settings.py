"""pip installs into the environment that it belongs to."""

# ruff: noqa: E501, S108 - sentences and commands are kept whole; an example of a path

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts, PipSettings
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Settings that send packages elsewhere."""
    for name in ("target", "prefix", "root", "user"):
        told = facts.pip.values.get(name, "")
        if told and told.lower() not in ("0", "false", "no"):
            place = facts.pip.read_from.get(name, "")
            return error(
                "pip's configuration sends packages elsewhere.",
                f"{place} sets {name} = {told}: pip install says that it succeeded, and the environment stays as it was.",
                manual(f"python -m pip config unset install.{name}", f"removes it (or delete the line in {place})"),
            )
    return ok("pip installs where it belongs")


CHECK = Check(
    id="path-pip-settings",
    area="path-leak",
    why="A forgotten pip.ini redirects every installation.",
    run=run,
    cases=("venv-pip-ini-target",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(pip=PipSettings(values={"target": "/tmp/x"}, read_from={"target": "/etc/pip.conf"})),
            expect=Status.ERROR,
        ),
        Case(facts=Facts(pip=PipSettings(values={"user": "false"})), expect=Status.OK),
    ),
)
