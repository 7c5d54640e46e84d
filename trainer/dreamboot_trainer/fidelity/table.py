"""What `pick` has measured, for people: a table, what its columns mean, and the command that goes on with the best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dreamboot_trainer.fidelity.pick import Picked
from dreamboot_trainer.fidelity.scores import Role
from dreamboot_trainer.shell import quoted

_MEANS: Mapping[Role, str] = {
    Role.SUBJECT: "likeness of drawn pictures to the photos: high is good",
    Role.PROMPT: "likeness of pictures to their prompt without the rare word: high is good",
    Role.LEAK: "likeness of pictures of the plain class to the photos: low is good",
    Role.VARIETY: "difference between pictures of one prompt: high is good",
}
_BALANCE = "what was learnt and what was kept, in one number from 0 to 1: high is good"


def lines(picked: Picked, run: Path) -> list[str]:
    """One row per model, the best one marked; each column in words; how to draw with the best model."""
    path = picked.paths[picked.best]
    meanings = {**{score.name: _MEANS[score.role] for score in picked.base}, "balance": _BALANCE}
    return [
        *_table(picked),
        *(f"{name}: {text}" for name, text in meanings.items()),
        f"Best: step {picked.best}, {path}",
        f"dreamboot sample {quoted(run)} --model {quoted(path)}",
    ]


def _table(picked: Picked) -> list[str]:
    rows = [["step", *(score.name for score in picked.base), "balance"]]
    rows.append(["base", *(f"{score.value:.3f}" for score in picked.base), ""])
    for step, scores in sorted(picked.scores.items()):
        rows.append([str(step), *(f"{score.value:.3f}" for score in scores), f"{picked.balances[step]:.3f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = ["", "", *("  <- best" if step == picked.best else "" for step in sorted(picked.scores))]
    return [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() + mark
        for row, mark in zip(rows, marks, strict=True)
    ]
