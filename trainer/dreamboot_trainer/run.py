"""A whole training run: prepare, class images, cache, train with samples and checkpoints, save, export."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from dreamboot_trainer import backend as backends
from dreamboot_trainer import class_images, sharding, tracking
from dreamboot_trainer.config import Config
from dreamboot_trainer.context import Context
from dreamboot_trainer.data.concepts import subjects
from dreamboot_trainer.data.items import instance_items
from dreamboot_trainer.duration import in_steps
from dreamboot_trainer.events import EventLog, Listener
from dreamboot_trainer.exclusive import only_trainer
from dreamboot_trainer.interrupts import Interrupts
from dreamboot_trainer.problems import Interrupted, RepeatingError, TrainerError
from dreamboot_trainer.stages import cache, finish, prepare, training


def train(config: Config, run: Path, listeners: Sequence[Listener]) -> None:
    """Everything from the configuration to the exported model. Goes on where an earlier call was stopped.

    TrainerError for a Problem, Interrupted after a signal; both leave the run folder such that it can go on.
    """
    interrupts = Interrupts()
    with interrupts.listening(), only_trainer(run):
        chosen = backends.choose(config.training.device)
        precision = backends.precision(chosen, config.training.mixed_precision)
        # The last layers of a text encoder may take no part in what the family uses of it.
        unused = DistributedDataParallelKwargs(find_unused_parameters=config.training.train_text_encoder)
        tracking.require_tracker(config.output.report_to)
        sharding.require_no_other(os.environ)
        accelerator = Accelerator(
            mixed_precision=precision.value,
            cpu=chosen.NAME == "cpu",
            step_scheduler_with_optimizer=False,
            kwargs_handlers=[unused],
            log_with=None if config.output.report_to == "none" else config.output.report_to,
            project_dir=run / "logs",
        )
        config = in_steps(config, subjects(config, run), int(accelerator.num_processes))
        main = bool(accelerator.is_main_process)
        path = run / finish.EVENTS
        events = EventLog(path if main else None, *(listeners if main else ()), failures=path)
        context = Context(config, run, events, interrupts, accelerator, chosen)
        try:
            with _without_denormals() if chosen.NAME == "cpu" else nullcontext():
                _stages(context, precision)
        finally:
            events.close()


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Numbers below 1e-38 (moments of what is hardly trained) take a CPU many times as long as zero, which they become.

    The setting is the whole process's: whoever trains inside of another program gets it back.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def part() -> None:
    """The processes end together: gloo's threads may abort one that leaves while another still talks to it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _stages(context: Context, precision: backends.Choice) -> None:
    """Every stage in order; the event of a failure names the stage that failed."""
    stage = "prepare"
    try:
        prepared = prepare.prepare(context, precision)
        stage = _enter(context, "class-images")
        class_images.ensure(context, prepared.subjects, prepared.pipeline, prepared.model)
        stage = _enter(context, "cache")
        instance = instance_items(prepared.subjects, captions=context.config.data.captions)
        prior = class_images.class_items(context, prepared.subjects, prepared.model)
        batches = cache.make_batches(context, prepared, instance, prior)
        stage = _enter(context, "train")
        average = training.train(context, prepared, batches, (*instance, *prior), precision)
        stage = _enter(context, "save")
        finish.save(context, prepared, average)
        stage = _enter(context, "export")
        finish.export(context, prepared)
    except TrainerError as error:
        # What every process runs into, the first one tells for all.
        if context.main or not isinstance(error, RepeatingError):
            for problem in error.problems:
                context.events.failed(stage, problem)
        raise
    except Interrupted as stop:
        # A launcher may turn our exit code into its own; the event says what happened.
        context.events.line("stop", f"Interrupted after step {stop.step}")
        raise


def _enter(context: Context, stage: str) -> str:
    context.interrupts.check(0)
    return stage
