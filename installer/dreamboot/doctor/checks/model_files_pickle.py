"""Pickled checkpoints can be loaded by this torch and transformers."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, ModelFile, Package, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """There are pickled checkpoints."""
    return any(file.kind == "pickle" for file in facts.model_files)


def run(facts: Facts) -> Outcome:
    """transformers refuses them below torch 2.6; torch 2.6 loads only numbers from them."""
    path = next(file.path for file in facts.model_files if file.kind == "pickle")
    convert = manual(
        f"dreamboot convert {path} FOLDER", "reads the weights without running code, and writes safetensors"
    )
    if (
        facts.torch is not None
        and within(facts.torch.version, "<2.6")
        and within(facts.version("transformers"), ">=4.51")
    ):
        return warning(
            "transformers refuses pickled files with this torch.",
            f"Expected torch 2.6 for {path}, found {facts.torch.version} (CVE-2025-32434).",
            convert,
            link="https://nvd.nist.gov/vuln/detail/CVE-2025-32434",
        )
    if facts.torch is not None and within(facts.torch.version, ">=2.6"):
        return info(
            f"{path} is a pickle: torch loads only its numbers; a file that holds more is refused", fix=(convert,)
        )
    return ok("pickled checkpoints can be loaded")


def _facts(torch: str, transformers: str) -> Facts:
    return Facts(
        torch=Torch(version=torch),
        packages=(Package(name="transformers", version=transformers),),
        model_files=(ModelFile(path="/m.ckpt", kind="pickle"),),
    )


CHECK = Check(
    id="model-files-pickle",
    area="model-files",
    why="Loading a pickle can run code, so newer versions refuse more and more of them.",
    run=run,
    applies=applies,
    cases=("mf-weights-only", "mf-torch26-required"),
    examples=(
        Case(facts=_facts("2.2.2", "4.52.0"), expect=Status.WARNING),
        Case(facts=_facts("2.6.0", "4.52.0"), expect=Status.INFO),
        Case(facts=_facts("2.2.2", "4.40.0"), expect=Status.OK),
    ),
)
