"""Model files are whole, and are models."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts, ModelFile
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Headers of safetensors against the file's length; pointers and web pages by their first bytes."""
    bad = [file for file in facts.model_files if file.fault]
    if not bad:
        return ok(f"{len(facts.model_files)} model files looked at")
    more = f" ({len(bad)} files in all)" if len(bad) > 1 else ""
    return error(
        "A model file can't be used.",
        f"{bad[0].path}: {bad[0].fault}{more}.",
        manual("hf download REPOSITORY FILE --force-download", "fetches it again; a git-lfs pointer: git lfs pull"),
    )


CHECK = Check(
    id="model-files-whole",
    area="model-files",
    why="A truncated download only shows when the model is loaded, with an error about its header.",
    run=run,
    cases=("mf-incomplete", "mf-header-limit"),
    examples=(
        Case(facts=Facts(model_files=(ModelFile(path="/m.safetensors"),)), expect=Status.OK),
        Case(facts=Facts(model_files=(ModelFile(path="/m.safetensors", fault="cut off"),)), expect=Status.ERROR),
    ),
)
