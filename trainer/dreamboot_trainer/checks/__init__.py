"""What can be known to be wrong before torch is imported and anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from dreamboot_trainer.problems import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """Faults that stop a run, and notes that do not."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Checked) -> Checked:
        return Checked(problems=self.problems + other.problems, notes=self.notes + other.notes)
