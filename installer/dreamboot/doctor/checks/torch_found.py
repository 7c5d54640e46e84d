"""torch is installed where this Python looks for it."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, info, install, ok, reinstall, warning
from dreamboot.doctor.facts.values import Facts, Package, Torch
from dreamboot.model import Status

TRAINERS = ("diffusers", "accelerate", "transformers", "bitsandbytes", "peft", "torchvision", "xformers")


def run(facts: Facts) -> Outcome:
    """Missing torch is an error only where something needs it."""
    torch = facts.torch
    if torch is None:
        there = [name for name in TRAINERS if facts.package(name)]
        if not there:
            return info("no torch, and nothing that needs it: this Python is not set up for training")
        declared = facts.version("torch")
        what = "torch's files are gone." if declared else "torch is not installed."
        step = reinstall(facts, f"torch=={declared}") if declared else install(facts, "torch")
        return error(what, f"Expected torch for {', '.join(there)}, found no folder torch in this environment.", step)
    if not torch.version:
        return error(
            "torch is installed incompletely.",
            f"{torch.site} holds a folder torch without version.py: an installation was interrupted.",
            reinstall(facts, "torch" + (f"=={facts.version('torch')}" if facts.version("torch") else "")),
        )
    if facts.torch_without_metadata:
        return warning(
            "torch lies here without the record of its installation.",
            f"{torch.site} holds torch {torch.version}, but no dist-info: pip can't update or remove it.",
            reinstall(facts, f"torch=={torch.release}"),
        )
    return ok(f"torch {torch.version} from {torch.site}")


CHECK = Check(
    id="torch-found",
    area="corrupted-install",
    why="Everything else about torch can only be judged when it is there.",
    run=run,
    requires=("python-works", "half-removed", "files-missing"),
    examples=(
        Case(facts=Facts(), expect=Status.INFO),
        Case(facts=Facts(packages=(Package(name="diffusers", version="0.36.0"),)), expect=Status.ERROR),
        Case(facts=Facts(torch=Torch(version="2.11.0+cpu", site="/v")), expect=Status.OK),
        Case(facts=Facts(torch=Torch(site="/v")), expect=Status.ERROR),
        Case(facts=Facts(torch=Torch(version="2.11.0", site="/v"), torch_without_metadata=True), expect=Status.WARNING),
    ),
)
