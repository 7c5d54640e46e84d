"""Do the settings fit the model's family? Each family says what it can be trained with."""

from __future__ import annotations

from pathlib import Path

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.config import Config
from dreamboot_trainer.data.buckets import bucket_sizes
from dreamboot_trainer.families import Family, family_of
from dreamboot_trainer.model_folder import ModelFolder, read_folder
from dreamboot_trainer.problems import Problem

_MUCH = 1.5
"""A guidance this many times the family's usual one is noted."""


def check_fits(config: Config, model: Path) -> Checked:
    """The settings against the family of the model's folder; a single file is of a family that all of them fit."""
    if not model.is_dir():
        return Checked()
    folder = read_folder(model)
    family = family_of(folder)
    # Not a multiple of 8 is a fault of the configuration itself, and told as such.
    buckets, told = config.data.aspect_ratio_buckets, config.data.resolution % 8
    sizes = [] if told else size_faults(config, folder, family, buckets=buckets)
    faults = [
        *method_faults(config, family),
        *sizes,
        *_flow(config, family),
        *_adapter(config, family),
    ]
    notes = [*_guidance(config, family), *_memory(config, family)]
    if any(component.optional and component.name not in folder.parts for component in family.components):
        notes.append(f"{folder.path} leaves T5 out: long prompts are followed less closely.")
    return Checked(problems=tuple(faults), notes=tuple(notes))


def method_faults(config: Config, family: Family) -> list[Problem]:
    """What of the method and the attention the family is not trained with."""
    faults = []
    if config.training.method not in family.methods:
        faults.append(
            Problem(
                id="method-not-for-family",
                what=f"All weights of {family.title} are not trained here; a LoRA is.",
                cause=f"Expected method = {' or '.join(family.methods)}; found {config.training.method}: "
                f"{family.why_not_full}.",
                hint=f"--set method={family.methods[0]}",
            )
        )
    wish = config.training.attention
    if wish != "auto" and wish not in family.attentions:
        faults.append(
            Problem(
                id="attention-not-for-family",
                what=f"{family.title} has its own attention, which {wish} does not replace.",
                cause=f"Expected attention = auto or {', '.join(family.attentions)}; found {wish}.",
                hint="--set attention=auto",
            )
        )
    return faults


def size_faults(config: Config, folder: ModelFolder, family: Family, *, buckets: bool) -> list[Problem]:
    """Whether the network takes pictures of this size, learnt from or drawn. `buckets`: also of other shapes."""
    side, step = config.data.resolution, family.multiple
    if side % step:
        near = max(step, side // step * step)
        return [_wrong("resolution", f"a multiple of {step} for {family.title}", side, f"resolution={near}")]
    limit = family.largest_side(folder)
    sizes = bucket_sizes(side, step) if buckets else ((side, side),)
    longest = max(max(size) for size in sizes)
    if not limit or longest <= limit:
        return []
    found = f"{side}, with buckets of up to {longest}" if longest > side else side
    expected = f"sides of at most {limit} pixels, for which {folder.path} has positions"
    return [_wrong("resolution", expected, found, f"resolution={max(step, limit * side // longest // step * step)}")]


def _flow(config: Config, family: Family) -> list[Problem]:
    training = config.training
    if family.flow:
        return []
    only = f"auto for {family.title}: other values are for models trained by flow matching (SD 3, FLUX.1)"
    faults = []
    if training.timestep_sampling != "auto":
        faults.append(_wrong("timestep_sampling", only, training.timestep_sampling, "timestep_sampling=auto"))
    if training.timestep_shift:
        faults.append(
            _wrong("timestep_shift", only.replace("auto", "0", 1), training.timestep_shift, "timestep_shift=0")
        )
    return faults


def _adapter(config: Config, family: Family) -> list[Problem]:
    faults = []
    if config.lora.base_precision == "nf4" and config.training.method != "lora":
        faults.append(_wrong("base_precision", "auto where all weights are trained", "nf4", "method=lora"))
    if family.flow and config.lora.use_dora and config.output.save_original:
        expected = f"false with use_dora for {family.title}, as no other program joins its layers"
        faults.append(_wrong("save_original", expected, "true", "save_original=false"))
    return faults


def _guidance(config: Config, family: Family) -> list[str]:
    drawn = {
        "guidance_scale": config.sampling.guidance_scale if config.sampling.num_validation_images else 0,
        "class_guidance_scale": config.prior.class_guidance_scale if config.prior.with_prior_preservation else 0,
    }
    return [
        f"{name} is {value:g}; {family.guidance:g} is usual for {family.title}."
        for name, value in drawn.items()
        if value > _MUCH * family.guidance
    ]


def _memory(config: Config, family: Family) -> list[str]:
    if not family.flow or config.lora.base_precision == "nf4":
        return []
    held = f"{family.title} is large: --base_precision nf4 holds its weights in a quarter of the memory."
    return [f"{held} What a step takes: dreamboot predict --family {family.name} --method lora"]


def _wrong(name: str, expected: str, found: object, change: str) -> Problem:
    return Problem(
        id="config-wrong-value",
        what=f"The configuration has a wrong value for {name}.",
        cause=f"Expected {expected}; found {found}.",
        hint=f"--set {change}",
    )
