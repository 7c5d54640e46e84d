"""First stage: the model is loaded, and what the device decides is said."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamboot_trainer import backend as backends
from dreamboot_trainer import sample, sharding
from dreamboot_trainer.base_model import CONVERTED, parts_elsewhere
from dreamboot_trainer.config import ATTENTIONS
from dreamboot_trainer.context import Context
from dreamboot_trainer.data.concepts import Subject, model_path, subjects
from dreamboot_trainer.families import family_of
from dreamboot_trainer.files import replacing
from dreamboot_trainer.identifiers import common_identifier, initialise
from dreamboot_trainer.methods import Method, methods
from dreamboot_trainer.model_digest import digest_of_file, digest_of_model
from dreamboot_trainer.model_folder import ModelFolder, read_folder
from dreamboot_trainer.pipeline import Pipeline, base_of, load
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.quantize import require_nf4

_SOURCE = ".source"
"""In the converted folder: the digest of the file that it was made from."""


@dataclass(slots=True)
class Prepared:
    """What the later stages share. `prompts` are those of the sample grids; `model` is the base model's digest."""

    pipeline: Pipeline
    method: Method
    subjects: tuple[Subject, ...]
    prompts: tuple[str, ...]
    model: str


def prepare(context: Context, precision: backends.Choice) -> Prepared:
    """Load every part onto the device."""
    context.events.started("prepare", "The model is loaded")
    require_processes(context)
    sharding.require(context.config, context.processes, precision.value)
    if context.sharded:
        sharding.try_out(context.accelerator.device, context.processes)
    require_shared_folder(context)
    config, device = context.config, context.accelerator.device
    method = methods()[config.training.method]
    folder = _folder(context)
    family = family_of(folder)
    compiled = config.training.compile != "no"
    base = base_of(method, config, precision.value)
    if base.nf4:
        require_nf4(device, base.dtype)
    pipeline = load(family, folder, None, device, adapters=method.ADAPTERS, compiled=compiled, base=base)
    pipeline.autocast = context.accelerator.autocast
    attention = backends.attention(context.backend, config.training.attention, precision.value)
    if family.attentions == ATTENTIONS:
        backends.set_attention(pipeline.denoiser, attention.value)
    else:
        attention = backends.Choice(value=family.attentions[0], reason=f"the only one for {family.title}")
    context.events.line("prepare", f"{family.title} on {device}")
    context.events.line("prepare", f"precision {precision.value}: {precision.reason}")
    context.events.line("prepare", f"attention {attention.value}: {attention.reason}")
    found = subjects(config, context.run)
    prompts = sample.prompts_of(config.sampling, [p for s in found for p in (s.instance_prompt, s.class_prompt)])
    warn_of_long_prompts(context, pipeline, (*prompts, *(subject.instance_prompt for subject in found)))
    for subject in found:
        word = common_identifier(pipeline.text.tokenizers[0], subject.instance_prompt, subject.class_prompt)
        if word:
            context.events.line(
                "prepare", f"'{word}' already means something to the model; a rare word such as sks learns faster"
            )
    if config.data.token_initializers:
        for line in initialise(pipeline.text, found, config.data.token_initializers):
            context.events.line("prepare", line)
    context.events.finished("prepare")
    return Prepared(pipeline, method, found, prompts, digest_of_model(folder, family))


def warn_of_long_prompts(context: Context, pipeline: Pipeline, prompts: Sequence[str]) -> None:
    """Say which prompts lose their end."""
    for prompt in dict.fromkeys(prompts):
        lost = pipeline.family.text.too_long(pipeline.text, prompt)
        if lost:
            context.events.line("prepare", f"The last {lost} tokens of this prompt are cut off: {prompt}")


def require_processes(context: Context) -> None:
    """TrainerError when another number of processes takes part than was asked for."""
    wanted, found = context.config.training.num_processes, context.processes
    if wanted and wanted != found:
        raise TrainerError(
            mismatch(
                "world-size",
                f"Training was to run in {wanted} processes but runs in {found}.",
                f"{wanted} processes",
                f"{found} (accelerate launch starts one process on a CPU, whatever it is told)",
                f"dreamboot train --config CONFIG --processes {wanted}",
            )
        )


def require_shared_folder(context: Context) -> None:
    """TrainerError, in every process, when one of them works in another run folder than the first.

    Class images are divided among the processes and only the first one writes checkpoints: with a folder of its own,
    a process would train on other images, and begin at the first step where the others go on from a later one.
    """
    if context.processes == 1:
        return
    name = context.gather([secrets.token_hex(8)])[0]
    sign = context.run / f"together-{name}"
    if context.main:
        context.run.mkdir(parents=True, exist_ok=True)
        sign.touch()
    context.wait()
    seen = context.gather([sign.exists()])
    if context.main:
        sign.unlink(missing_ok=True)
    apart = [str(rank) for rank, found in enumerate(seen) if not found]
    if apart:
        raise TrainerError(
            mismatch(
                "run-not-shared",
                "The training processes do not work in the same run folder.",
                f"{context.run} of the first process in all of them",
                f"another folder in process {', '.join(apart)}",
                "dreamboot train --output FOLDER   (a folder that every host sees, such as one on NFS)",
            )
        )


def _folder(context: Context) -> ModelFolder:
    """The model's folder; a single file is converted into the run first."""
    path = model_path(context.config)
    others = parts_elsewhere(context.config)
    if not path.is_file():
        return read_folder(path, others)
    converted = context.run / CONVERTED
    if context.main:
        _convert(context, path, converted, others.get("tokenizer"))
    context.wait()
    return read_folder(converted, others)


def _convert(context: Context, path: Path, converted: Path, tokenizer: Path | None) -> None:
    """The checkpoint file as a folder, unless that was made from this very file before."""
    from dreamboot_trainer.convert import from_original

    mark, source = converted / _SOURCE, digest_of_file(path)
    if mark.is_file() and mark.read_text(encoding="utf-8") == source:
        return
    context.events.line("prepare", f"{path.name} is converted to a diffusers folder")
    from_original(path, converted, tokenizer_dir=tokenizer, overwrite=True)
    with replacing(mark) as partial:
        partial.write_text(source, encoding="utf-8")
