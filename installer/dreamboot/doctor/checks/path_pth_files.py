"""Path files of the environment add no foreign packages."""

# ruff: noqa: PTH117 - paths of another system are strings

from __future__ import annotations

import os

from dreamboot.doctor.check import Case, Check, Outcome, info, ok, remove, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """.pth lines that lead to other environments, or nowhere."""
    for path, folders in facts.path_files.items():
        for folder in folders:
            outside = os.path.isabs(folder) and not folder.startswith(facts.target.prefix or "\0")
            if outside and folder.rstrip("/\\").endswith(("site-packages", "dist-packages")):
                return warning(
                    "A path file adds the packages of another Python.",
                    f"{path} adds {folder}.",
                    remove(path, why="the environment keeps to its own packages"),
                )
    editable = sum(len(folders) for folders in facts.path_files.values())
    return info(f"{editable} folders are added by path files (editable packages)") if editable else ok("no path files")


CHECK = Check(
    id="path-pth-files",
    area="path-leak",
    why="A .pth file adds folders to sys.path silently.",
    run=run,
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(path_files={"/v/lib/x.pth": ("/opt/conda/lib/python3.10/site-packages",)}),
            expect=Status.WARNING,
        ),
        Case(facts=Facts(path_files={"/v/lib/my.pth": ("/home/u/src",)}), expect=Status.INFO),
    ),
)
