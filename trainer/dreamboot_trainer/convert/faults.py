"""Every Problem of the conversion, one function each: what, cause, next command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dreamboot_trainer.problems import Problem, TrainerError
from dreamboot_trainer.shell import look, quoted, room

_SHOWN = 3

TOO_LARGE = "convert-value-too-large"


def unsupported_config(key: str, expected: str, found: object) -> TrainerError:
    """A config.json entry that the original layouts of SD 1.x, 2.x and SDXL have no names for."""
    return TrainerError(
        Problem(
            id="convert-unsupported-config",
            what=f"The model's config.json has a value for {key} that cannot be converted.",
            cause=f"Expected {expected}; found {found!r}.",
            hint="Keep the diffusers folder for this model; only SD 1.x, SD 2.x and SDXL have an original layout here.",
        )
    )


def folder_named_as_file(output: Path) -> TrainerError:
    """A checkpoint file becomes a folder, and DST is named as a file is."""
    return TrainerError(
        Problem(
            id="convert-folder-named-as-file",
            what=f"The result is a folder, and {output.name} is a file's name.",
            cause=f"A checkpoint becomes a diffusers folder; expected a name without an ending, found {output.suffix}.",
            hint=f"The same command with {output.with_suffix('')} in place of {output}",
        )
    )


def not_found(path: Path) -> TrainerError:
    """The source does not exist."""
    return TrainerError(
        Problem(
            id="convert-source-missing",
            what=f"There is nothing to convert at {path}.",
            cause="Expected a diffusers folder or a .safetensors or .ckpt file; found no such path.",
            hint=look(path.parent),
        )
    )


def run_without_result(run: Path, config: Path) -> TrainerError:
    """A run that has not ended."""
    return TrainerError(
        Problem(
            id="convert-run-unfinished",
            what=f"The run in {run} has no result yet.",
            cause="Expected its folder model, which is written after the last step; found none.",
            hint=f"dreamboot train --config {quoted(config)}   (goes on to the end)",
        )
    )


def not_a_folder(path: Path, missing: str) -> TrainerError:
    """A folder that is not a (whole) diffusers model."""
    return TrainerError(
        Problem(
            id="convert-not-a-diffusers-folder",
            what=f"{path} is not a complete diffusers folder.",
            cause=f"Expected {missing} in it; found none.",
            hint="Download the model again with all its folders: hf download NAME --local-dir FOLDER",
        )
    )


def unreadable(path: Path, reason: str) -> TrainerError:
    """A file that is truncated, damaged or of another kind."""
    return TrainerError(
        Problem(
            id="convert-unreadable-file",
            what=f"{path} cannot be read as a model file.",
            cause=f"Expected a whole .safetensors or .ckpt file; found: {reason}",
            hint=f"Download the file again and compare its size: {look(path)}",
        )
    )


def unsafe_pickle(path: Path, reason: str) -> TrainerError:
    """A .ckpt or .bin whose pickle names code that loading would run."""
    return TrainerError(
        Problem(
            id="convert-unsafe-pickle",
            what=f"{path} was not loaded: its pickle asks for code that a model file does not need.",
            cause=f"Expected only tensors and plain values; found: {reason}",
            hint="Do not use this file. Get the .safetensors version of the model, which cannot hold code.",
            link="https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only",
        )
    )


def unknown_family(path: Path, seen: Sequence[str]) -> TrainerError:
    """A checkpoint whose names belong to no family that is known here."""
    return TrainerError(
        Problem(
            id="convert-unknown-family",
            what=f"{path} is not an SD 1.x, SD 2.x or SDXL checkpoint in the original layout.",
            cause=f"Expected names such as model.diffusion_model.input_blocks.0.0.weight; found {some(seen)}.",
            hint="Use the whole checkpoint, not a LoRA, a VAE or another family: "
            f"dreamboot convert {quoted(path)} OUT accepts those three families and LoRA files.",
        )
    )


def wrong_family(path: Path, wanted: str, found: str) -> TrainerError:
    """The caller named one family, the file is another."""
    return TrainerError(
        Problem(
            id="convert-wrong-family",
            what=f"{path} is not a model of the family {wanted}.",
            cause=f"Expected {wanted}; its tensor names and configs are those of {found}.",
            hint=f"dreamboot convert {quoted(path)} OUT --family {found}",
        )
    )


def missing_tensors(path: Path, part: str, names: Sequence[str]) -> TrainerError:
    """Tensors that the model's config asks for are not there."""
    return TrainerError(
        Problem(
            id="convert-missing-tensors",
            what=f"{path} lacks {len(names)} tensors of the {part}.",
            cause=f"Expected {some(names)}; found no such names.",
            hint="The file is incomplete or was changed by another tool. Download the original again.",
        )
    )


def no_ema(path: Path) -> TrainerError:
    """The averaged weights were asked for and are not in the file."""
    return TrainerError(
        Problem(
            id="convert-no-ema",
            what=f"{path} holds no averaged (EMA) weights.",
            cause="Expected model_ema.* tensors for the whole UNet; found none or not all.",
            hint=f"dreamboot convert {quoted(path)} OUT   (without --ema: an -emaonly file has them as plain weights)",
        )
    )


def wrong_shape(path: Path, name: str, expected: tuple[int, ...], found: tuple[int, ...]) -> TrainerError:
    """A tensor does not have the shape that the config gives it."""
    return TrainerError(
        Problem(
            id="convert-wrong-shape",
            what=f"A tensor in {path} does not fit the model's config.",
            cause=f"Expected {name} with shape {list(expected)}; found {list(found)}.",
            hint="Give the config of this very model: dreamboot convert CHECKPOINT OUT --config-dir FOLDER",
        )
    )


def does_not_fit(name: str, dtype: str) -> TrainerError:
    """A value is too large for the wanted number format."""
    return TrainerError(
        Problem(
            id=TOO_LARGE,
            what=f"The tensor {name} has values that do not fit into {dtype}.",
            cause="Expected magnitudes up to 65504; a larger one would become infinite and give black images.",
            hint="Convert with --dtype float32, or --dtype keep.",
        )
    )


def no_space(path: Path, needed: int, free: int) -> TrainerError:
    """Too little room for the result."""
    return TrainerError(
        Problem(
            id="convert-no-space",
            what=f"The disk of {path} is too full for the result.",
            cause=f"Expected {needed / 2**20:.0f} MiB free; found {free / 2**20:.0f} MiB.",
            hint=f"Free some room ({room(path.parent)}), or name an output on another disk.",
        )
    )


def not_written(path: Path, reason: str) -> TrainerError:
    """The operating system refused to write the result."""
    return TrainerError(
        Problem(
            id="convert-not-written",
            what=f"{path} could not be written; nothing was left behind.",
            cause=f"Expected a folder that you may write to; found: {reason}",
            hint=f"Choose another output, or look at its rights: {look(path.parent)}",
        )
    )


def exists(path: Path) -> TrainerError:
    """The output is already there and was not to be replaced."""
    return TrainerError(
        Problem(
            id="convert-output-exists",
            what=f"{path} already exists and was left as it is.",
            cause="Expected a name that is free; found a file or folder.",
            hint="Choose another output, or replace it: dreamboot convert SOURCE OUTPUT --yes",
        )
    )


def not_replaced(path: Path) -> TrainerError:
    """The output was to be replaced, and is something else than an older result."""
    return TrainerError(
        Problem(
            id="convert-output-not-replaced",
            what=f"{path} was not replaced: it is no diffusers model.",
            cause="Expected an empty folder or one with a model_index.json; found something else, which would be lost.",
            hint="Choose a name that is free.",
        )
    )


def would_replace_source(source: Path, out: Path) -> TrainerError:
    """The output is the source, or a folder that holds it."""
    return TrainerError(
        Problem(
            id="convert-output-is-source",
            what=f"{out} was not written: it would replace {source}.",
            cause="Expected an output apart from the source; found the same file, or the folder that it is in.",
            hint="Choose another output.",
        )
    )


def no_tokenizer(found: str) -> TrainerError:
    """No tokenizer that belongs to the text encoder."""
    return TrainerError(
        Problem(
            id="convert-no-tokenizer",
            what="The checkpoint holds no tokenizer, and none that fits it was given.",
            cause=f"Expected a tokenizer folder with as many tokens as the text encoder has; found {found}.",
            hint="Name the tokenizer folder of any diffusers model of the family: "
            "dreamboot convert CHECKPOINT OUT --tokenizer FOLDER/tokenizer",
        )
    )


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(list(names)[:_SHOWN])
    return (shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")) or "no tensors"


def not_a_checkpoint_name(path: Path, endings: Sequence[str]) -> TrainerError:
    """A file was to be written under a name with another ending than the formats have."""
    return TrainerError(
        Problem(
            id="convert-output-name",
            what=f"The name {path.name} does not say what file is to be written.",
            cause=f"Expected a name that ends in {' or '.join(endings)}; found {path.suffix or 'no ending'}.",
            hint=f"dreamboot convert SOURCE {quoted(path.with_suffix(endings[0]))}",
        )
    )


def option_without_use(name: str) -> TrainerError:
    """An option that this direction does not have."""
    option = {"use_ema": "--ema", "tokenizer_dir": "--tokenizer", "config_dir": "--config-dir"}.get(name, name)
    return TrainerError(
        Problem(
            id="convert-option-without-use",
            what=f"{option} has no meaning in this direction.",
            cause=f"Expected {option} only when a checkpoint file becomes a diffusers folder.",
            hint=f"Run the same command without {option}.",
        )
    )


def not_a_lora(path: Path, seen: Sequence[str]) -> TrainerError:
    """A file in which no LoRA was found."""
    return TrainerError(
        Problem(
            id="convert-not-a-lora",
            what=f"{path} is not a LoRA that can be converted.",
            cause="Expected names such as lora_unet_..._to_q.lora_down.weight (kohya) or unet....to_q.lora_A.weight "
            f"(diffusers); found {some(seen)}.",
            hint="LyCORIS types other than LoRA and LoCon (LoHa, LoKr, IA3) have no form in diffusers: "
            "use the file as it is.",
        )
    )


def unknown_lora_layers(path: Path, names: Sequence[str]) -> TrainerError:
    """Layers that the family's model does not have."""
    return TrainerError(
        Problem(
            id="convert-unknown-lora-layers",
            what=f"{path} has {len(names)} tensors for layers that the model does not have.",
            cause=f"Expected layers of the published model of the family; found {some(names)}.",
            hint="Name the model it was trained on: "
            f"dreamboot convert {quoted(path)} OUT.safetensors --config-dir FOLDER",
        )
    )


def only_a_folder(path: Path, title: str) -> TrainerError:
    """A single file of a family that is read from a diffusers folder only."""
    return TrainerError(
        Problem(
            id="model-single-file-not-read",
            what=f"{path} is a single file of {title}, which is not read here.",
            cause=f"Expected the diffusers folder of {title} (with transformer/ and model_index.json); found one file, "
            "which holds no tokenizers and often no text encoders.",
            hint="hf download OWNER/NAME --local-dir FOLDER, then: --set pretrained_model_name_or_path=FOLDER",
        )
    )


def mixed_lora(path: Path, name: str) -> TrainerError:
    """Adapters that share one layer of the original model, and cannot be joined."""
    return TrainerError(
        Problem(
            id="convert-lora-not-joined",
            what=f"{path} has adapters that cannot become kohya's one layer {name}.",
            cause="Expected plain LoRA of one rank, strength and number format over the query, key and value of a "
            "block, which are one layer there; found DoRA, or several.",
            hint="Use the file as it is: diffusers reads it, and ComfyUI reads its names.",
        )
    )
