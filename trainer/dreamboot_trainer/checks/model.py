"""Is the model complete, whole, and of a family that is known? Nothing is unpickled here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.checks.parts import check_other_vae, check_parts
from dreamboot_trainer.checks.pickles import check_pickle
from dreamboot_trainer.convert.detect import family_of_names
from dreamboot_trainer.families import Component, Family, family_of
from dreamboot_trainer.model_folder import SINGLE_FILES, ModelFolder, read_folder, tensor_shapes, weight_files
from dreamboot_trainer.problems import Problem, TrainerError, mismatch

_SCHEDULER = ("scheduler_config.json",)
_TOKENIZERS = ("vocab.json", "tokenizer.json", "spiece.model")


def check_model(path: Path) -> Checked:
    """A diffusers folder, or one file in the original layout."""
    try:
        if path.is_file():
            return _single_file(path)
        folder = read_folder(path)
        return check_folder(folder, family_of(folder))
    except TrainerError as error:
        return Checked(problems=error.problems)


def check_folder(folder: ModelFolder, family: Family) -> Checked:
    """Every component that the family needs is there, of the right class, with whole weight files."""
    faults = [fault for component in family.components for fault in _component(folder, component)]
    return Checked(problems=tuple(faults) or check_parts(folder, family))


def check_vae(path: Path, model: Path) -> Checked:
    """A VAE in a folder of its own, for the model in the folder `model`."""
    if not (path / "config.json").is_file():
        return Checked(problems=(_incomplete(path, "vae", "config.json", "none"),))
    faults = tuple(_weights(path, "vae"))
    if faults or not model.is_dir():
        return Checked(problems=faults)
    own, folder = read_folder(model), read_folder(model, {"vae": path})
    fit = [fault for fault in check_parts(folder, family_of(folder)) if fault.id == "model-vae-mismatch"]
    return Checked(problems=tuple(fit) or check_other_vae(own, folder))


def check_tokenizer(path: Path) -> Checked:
    """A tokenizer in a folder of its own."""
    if any((path / name).is_file() for name in _TOKENIZERS):
        return Checked()
    found = "no such folder" if not path.is_dir() else ", ".join(sorted(item.name for item in path.iterdir())[:8])
    problem = mismatch(
        "tokenizer-missing",
        f"There is no tokenizer in {path}.",
        " or ".join(_TOKENIZERS),
        found or "an empty folder",
        "--set tokenizer_name=FOLDER, or leave it out where the model has its own",
    )
    return Checked(problems=(problem,))


def _single_file(path: Path) -> Checked:
    if path.suffix not in SINGLE_FILES:
        problem = Problem(
            id="model-unknown-file",
            what=f"{path} is not a model file.",
            cause=f"Expected a folder, a .safetensors or a .ckpt file; found {path.suffix or 'no ending'}.",
            hint="--set pretrained_model_name_or_path=FOLDER",
        )
        return Checked(problems=(problem,))
    if path.suffix == ".ckpt":
        return check_pickle(path)
    try:
        family_of_names(path, tensor_shapes(path))
    except TrainerError as error:
        return Checked(problems=error.problems)
    return Checked()


def _component(folder: ModelFolder, component: Component) -> list[Problem]:
    place = folder.part(component.name)
    if component.name not in folder.parts:
        if component.optional:
            return []
        return [
            _incomplete(folder.path, component.name, f"{component.name} in model_index.json", ", ".join(folder.parts))
        ]
    if not place.is_dir():
        return [_incomplete(folder.path, component.name, f"the folder {component.name}", "no such folder")]
    found = folder.parts[component.name]
    if component.classes and found not in component.classes:
        return [_incomplete(folder.path, component.name, " or ".join(component.classes), found)]
    if not component.weights:
        return _small_files(folder, component)
    if component.name not in folder.configs:
        return [_incomplete(folder.path, component.name, f"{component.name}/config.json", "no such file")]
    return _weights(place, component.name)


def _small_files(folder: ModelFolder, component: Component) -> list[Problem]:
    """For a missing one, libraries take defaults: another noise schedule, a tokenizer without words."""
    needed = _SCHEDULER if component.name == "scheduler" else _TOKENIZERS
    if any((folder.part(component.name) / name).is_file() for name in needed):
        return []
    found = ", ".join(sorted(item.name for item in folder.part(component.name).iterdir())) or "an empty folder"
    return [_incomplete(folder.path, component.name, f"{component.name}/{' or '.join(needed)}", found)]


def _weights(place: Path, name: str) -> list[Problem]:
    files = weight_files(place)
    if not files:
        found = ", ".join(sorted(item.name for item in place.iterdir())) or "an empty folder"
        return [_incomplete(place.parent, name, f"weights in {name}", found)]
    faults: list[Problem] = []
    for path in files:
        if not path.is_file():
            faults.append(_incomplete(place.parent, name, f"{name}/{path.name}", "no such file"))
        elif path.suffix == ".bin":
            faults += check_pickle(path).problems
        else:
            try:
                faults += _quantized(path, tensor_shapes(path))
            except TrainerError as error:
                faults += error.problems
    return faults


def _quantized(path: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> list[Problem]:
    """Whole numbers are steps of scales that lie elsewhere: read as weights, they would be noise."""
    found = {dtype for name, (dtype, _) in tensors.items() if name.endswith(".weight") and "F" not in dtype}
    if not found:
        return []
    return [
        mismatch(
            "model-quantized",
            f"The weights in {path} are quantized, and not those to train from.",
            "weights as floating-point numbers (F32, F16, BF16)",
            ", ".join(sorted(found)),
            "Take the model as it was published, with --base_precision nf4 where memory is short.",
        )
    ]


def _incomplete(path: Path, name: str, expected: str, found: str) -> Problem:
    return Problem(
        id=f"model-without-{name.replace('_', '-')}",
        what=f"The model in {path} has no usable {name}.",
        cause=f"Expected {expected}; found {found}.",
        hint="Download the whole model again: hf download NAME --local-dir FOLDER",
    )
