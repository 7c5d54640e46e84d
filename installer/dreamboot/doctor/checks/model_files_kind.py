"""Base models are of a kind that can be trained."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, ModelFile
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """There are model files."""
    return bool(facts.model_files)


def run(facts: Facts) -> Outcome:
    """Inpainting models have 9 input channels; SDXL needs its own scripts."""
    for file in facts.model_files:
        if file.channels == 9:
            return warning(
                "A base model is an inpainting model.",
                f"{file.path} takes 9 channels; DreamBooth trains models with 4.",
                manual("--pretrained_model_name_or_path PLAIN_MODEL", "take the plain model of the same family"),
            )
    families = sorted({file.family for file in facts.model_files if file.family})
    return info("families: " + ", ".join(families)) if families else ok("nothing unusual")


CHECK = Check(
    id="model-files-kind",
    area="model-files",
    why="The wrong kind of base model stops with a long list of shapes.",
    run=run,
    applies=applies,
    requires=("model-files-whole",),
    cases=("mf-inpaint", "mf-sdxl-in-sd15"),
    examples=(
        Case(facts=Facts(model_files=(ModelFile(path="/m.safetensors", channels=4),)), expect=Status.OK),
        Case(facts=Facts(model_files=(ModelFile(path="/m.safetensors", channels=9),)), expect=Status.WARNING),
        Case(
            facts=Facts(model_files=(ModelFile(path="/m.safetensors", channels=4, family="sdxl"),)), expect=Status.INFO
        ),
    ),
)
