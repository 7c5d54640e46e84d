"""Fourth stage: the loop, with everything that surrounds it: optimizer, checkpoints, samples."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from dreamboot_trainer import checkpoint, finite, heap, loop, optim, sample, sharding, tracking
from dreamboot_trainer.backend import Choice
from dreamboot_trainer.config import Config
from dreamboot_trainer.context import Context
from dreamboot_trainer.data.batches import Batches
from dreamboot_trainer.data.items import Item, fingerprints
from dreamboot_trainer.ema import Average
from dreamboot_trainer.events import started_over_since
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.report import write_resolved
from dreamboot_trainer.stages.anew import start_over
from dreamboot_trainer.stages.prepare import Prepared
from dreamboot_trainer.trainable import Trainable

# What may differ when a run goes on: it changes what is shown and kept, or how fast, and not what is learnt.
# Of model and photos their content counts, wherever it lies: a run may be moved.
_FREE_SECTIONS = ("model", "sampling", "checkpoint", "output")
_FREE_KEYS = (
    "data.class_data_dir", "data.concepts", "data.concepts_list", "data.dataloader_num_workers",
    "data.instance_data_dir", "optimizer.optimizer_implementation", "prior.sample_batch_size", "training.attention",
    "training.compile", "training.device", "training.ema_decay", "training.gradient_checkpointing",
    "training.mixed_precision", "training.num_processes", "training.num_train_epochs", "training.sharding",
)  # fmt: skip


def train(
    context: Context, prepared: Prepared, batches: Batches, items: Sequence[Item], precision: Choice
) -> Average | None:
    """Train to the last step, from the newest checkpoint if there is one. The running average, where there is one."""
    config, pipeline = context.config, prepared.pipeline
    trainable = prepared.method.attach(pipeline, config)
    if config.training.gradient_checkpointing:
        trainable.save_memory()
    if config.data.cache_latents and (config.sampling.num_validation_images or config.data.token_initializers):
        pipeline.rest()
    elif config.data.cache_latents:
        pipeline.forget()
    if config.training.compile != "no":
        trainable.compile_network(config.training.compile)
    if context.sharded:
        sharding.shard(trainable, context.accelerator.device, context.processes)
    trained = trainable.trained()
    optimizer, choice = optim.build(_groups(context, trainable), config.optimizer, context.accelerator.device.type)
    schedule = optim.schedule(optimizer, config.optimizer, config.training.max_train_steps)
    wrapped, wrapped_optimizer = _wrapped(context, trainable, optimizer)
    average = Average(trained, config.training.ema_decay) if config.training.use_ema else None
    state = checkpoint.State(
        trained, optimizer, schedule, _facts(context, prepared, items), average, context.accelerator.scaler
    )
    first = _resume(context, state)
    if context.main:
        # Not before: a call that is refused is none that the run was made with.
        write_resolved(config, context.run)
    context.events.started(
        "train",
        f"{config.training.max_train_steps - first} steps",
        world_size=context.processes,
        device=str(context.accelerator.device),
        mixed_precision=precision.value,
        optimizer=choice.value,
        trainable_parameters=sum(parameter.numel() for parameter in trained.values()),
        sharding=config.training.sharding,
    )
    tracking.start(context)
    training = loop.Training(trainable, wrapped, wrapped_optimizer, schedule, batches, average)
    every, last = config.sampling.validation_steps, config.training.max_train_steps

    def after_step(step: int) -> None:
        due = save_due(config, step)
        if step in (0, last) or due or (every and step % every == 0):
            _sample(context, prepared, step, average if step else None)
        if due:
            finite.require_weights(context, trained.values(), step)
            _save(context, prepared, step, average)

    # A kill may have come between the checkpoint of this step and what belongs to it.
    after_step(first)
    with heap.kept() if context.backend.NAME == "cpu" else nullcontext():
        loop.train(context, training, first, after_step, lambda step: _checkpoint(context, state, step))
    tracking.finish(context)
    # Of every process, so that a report shows whether weights were really divided.
    held = context.gather([sharding.held_bytes(trainable, optimizer)])
    context.events.finished("train", held_bytes=held)
    return average


def grid_path(run: Path, step: int) -> Path:
    """Where the sample grid of a step lies."""
    return run / "samples" / f"step-{step:06d}.png"


def save_due(config: Config, step: int) -> bool:
    """Whether the model after this step is kept in saves/; that of the last step lies in model/."""
    output = config.output
    inside = max(output.save_min_steps, 1) <= step < config.training.max_train_steps
    return bool(output.save_interval) and inside and step % output.save_interval == 0


def save_path(run: Path, step: int) -> Path:
    """Where the model of a step lies."""
    return run / "saves" / f"step-{step:06d}"


def write_model(context: Context, prepared: Prepared, average: Average | None, path: Path) -> None:
    """The result as the folder `path`, averaged if there is an average: by the main process."""
    if context.main or context.sharded:
        with average.applied() if average else nullcontext():
            weights = prepared.method.weights(prepared.pipeline, context.config, keep=context.main)
            if context.main:
                prepared.method.save(prepared.pipeline, context.config, weights, path)


def _wrapped(context: Context, trainable: Trainable, optimizer: Any) -> tuple[Any, Any]:
    """Both as accelerate prepares them: autocast, data parallelism, the scaling of gradients in fp16."""
    accelerator = context.accelerator
    if not context.sharded:
        model, wrapped = accelerator.prepare(trainable, optimizer)
        return model, wrapped
    # What is prepared for evaluation gets autocast alone: gradients are exchanged by the sharded blocks themselves.
    model = accelerator.prepare_model(trainable, device_placement=False, evaluation_mode=True)
    return model, accelerator.prepare_optimizer(optimizer)


def _groups(context: Context, trainable: Trainable) -> list[dict[str, Any]]:
    training, settings = context.config.training, context.config.optimizer
    factor = training.train_batch_size * training.gradient_accumulation_steps * context.processes
    scale = factor if settings.scale_lr else 1
    rate, text_rate = settings.learning_rate, settings.text_encoder_learning_rate or settings.learning_rate
    return trainable.groups(rate * scale, text_rate * scale)


def _facts(context: Context, prepared: Prepared, items: Sequence[Item]) -> dict[str, Any]:
    """What must not change while a run is under way."""
    facts: dict[str, Any] = {}
    for section, part in dataclasses.asdict(context.config).items():
        if section not in _FREE_SECTIONS:
            facts |= {f"{section}.{key}": value for key, value in part.items()}
    for name in _FREE_KEYS:
        del facts[name]
    if context.config.optimizer.lr_scheduler.startswith("constant"):
        del facts["training.max_train_steps"]
    facts["model"] = prepared.model
    facts["photos"] = fingerprints(items)
    # As they will be read back: lists for tuples.
    found: dict[str, Any] = json.loads(json.dumps(facts))
    return found


def _resume(context: Context, state: checkpoint.State) -> int:
    """The number of steps already done, after loading them into `state`."""
    # The main process decides for all: another would read of a start that it has just written down.
    if context.gather([_is_new(context)])[0]:
        start_over(context)
        return 0
    saved = checkpoint.complete(context.run / "checkpoints")
    if not saved:
        return 0
    checkpoint.load(saved[-1], state)
    _require_steps_left(context, saved[-1].step)
    context.events.line("train", f"Goes on from {saved[-1].path.name}")
    return saved[-1].step


def _is_new(context: Context) -> bool:
    """Whether training starts over, as resume = never asks, and has not done so since the run was launched.

    A process that takes the place of one that died goes on with what was begun anew; one that died before that, while
    class images were made, has begun nothing, and the folder still holds the earlier training.
    """
    if context.config.checkpoint.resume != "never":
        return False
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        return True
    launched = os.environ.get("DREAMBOOT_LAUNCHED", "")
    return bool(launched) and not started_over_since(context.run / "events.jsonl", float(launched))


def _require_steps_left(context: Context, done: int) -> None:
    """TrainerError where more steps are done than are wanted: the result would be that of another number of steps."""
    wanted = context.config.training.max_train_steps
    if done > wanted:
        raise TrainerError(
            mismatch(
                "resume-beyond",
                f"The run has already made more than {wanted} steps.",
                f"a checkpoint of at most {wanted} steps",
                f"one of {done} steps",
                f"--set max_train_steps={done}, or start over: --set resume=never",
            )
        )


def _checkpoint(context: Context, state: checkpoint.State, step: int) -> None:
    finite.require_weights(context, state.weights.values(), step)
    if context.main or context.sharded:
        content = checkpoint.content(state, keep=context.main)
        if context.main:
            limit = context.config.checkpoint.checkpoints_total_limit
            checkpoint.save(context.run / "checkpoints", step, content, limit)
    context.wait()


def _sample(context: Context, prepared: Prepared, step: int, average: Average | None) -> None:
    """The grid of this step, unless it is there: by the main process, with averaged weights if there are some."""
    path, config = grid_path(context.run, step), context.config
    if config.sampling.num_validation_images and _takes_part(context, path):
        with average.applied() if average else nullcontext(), prepared.pipeline.awake(), _uncompiled(config):
            grid = sample.make_grid(
                prepared.pipeline, config.sampling, prepared.prompts, config.data.resolution, f"step {step}"
            )
        if context.main:
            sample.write_png(grid, path)
        context.events.progress("sample", step, config.training.max_train_steps, "steps", path=str(path))
    context.wait()


def _save(context: Context, prepared: Prepared, step: int, average: Average | None) -> None:
    """The model as it is after this step, unless it is there: by the main process, averaged if there is an average."""
    path = save_path(context.run, step)
    if _takes_part(context, path):
        path.parent.mkdir(exist_ok=True)
        write_model(context, prepared, average, path)
        context.events.line("save", f"The model after step {step} is kept", path=str(path))
    context.wait()


def _takes_part(context: Context, path: Path) -> bool:
    """Whether this process is needed to make `path`, which may be there: the main one, or all with sharded weights.

    A network whose weights are divided answers only where every process calls it; so the first one decides for all.
    """
    absent = not path.exists()
    return bool(context.gather([absent])[0]) if context.sharded else context.main and absent


def _uncompiled(config: Config) -> AbstractContextManager[None]:
    """Samples have other shapes than training: they would be compiled for a few calls."""
    if config.training.compile == "no":
        return nullcontext()
    import torch

    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance
