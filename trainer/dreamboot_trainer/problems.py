"""What went wrong, in five parts that people and programs can both read."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One fault: a stable kebab-case `id`, what happened, the cause (expected and found), the next command, a link."""

    id: str
    what: str
    cause: str = ""
    hint: str = ""
    link: str = ""

    def to_json(self) -> dict[str, str]:
        """The five keys as the installer reads them."""
        return asdict(self)

    def __str__(self) -> str:
        lines = (self.what, self.cause, f"Next: {self.hint}" if self.hint else "", self.link)
        return "\n  ".join(line for line in lines if line)


def mismatch(name: str, what: str, expected: str, found: object, hint: str) -> Problem:
    """The commonest Problem: something was expected and something else was found."""
    return Problem(id=name, what=what, cause=f"Expected {expected}; found {found}.", hint=hint)


class TrainerError(Exception):
    """The only exception that is meant for people. `problems` holds one or more; the first is the main one."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a TrainerError needs a Problem")
        super().__init__(problems[0].what)
        self.problems = problems

    @property
    def problem(self) -> Problem:
        """The first Problem."""
        return self.problems[0]


class RepeatingError(TrainerError):
    """Every process raises it at the same step, and would again: to start them anew from a checkpoint is no help."""


class Interrupted(Exception):  # noqa: N818 - honouring a signal is no error
    """SIGINT, SIGTERM or SIGHUP was honoured: the state is saved, and the same command goes on from `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted after step {step}")
        self.step = step
