"""A whole training run: prepare, class images, cache, train with samples and checkpoints, save, export."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from dreamboot_trainer import backend as backends
from dreamboot_trainer import checkpoint, class_images, loop, optim, plots, sample, save
from dreamboot_trainer.config import Config
from dreamboot_trainer.context import Context
from dreamboot_trainer.data.batches import Batches
from dreamboot_trainer.data.concepts import Subject, model_path, subjects
from dreamboot_trainer.data.items import Item, fingerprint, instance_items
from dreamboot_trainer.data.order import Layout
from dreamboot_trainer.data.sources import Cached, Encoded, Live, Source, encode_views
from dreamboot_trainer.events import EventLog, Listener, read_events
from dreamboot_trainer.exclusive import only_trainer
from dreamboot_trainer.families import family_of
from dreamboot_trainer.interrupts import Interrupts
from dreamboot_trainer.model_folder import ModelFolder, read_folder
from dreamboot_trainer.pipeline import Pipeline, Rows
from dreamboot_trainer.pipeline import load as load_pipeline
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.trainable import Trainable

EVENTS = "events.jsonl"
MODEL, ORIGINAL = "model", "model.safetensors"
# What may differ when a run goes on: it changes what is shown and kept, not what is learnt.
_FREE = ("sampling", "checkpoint", "output")


def train(config: Config, run: Path, listeners: Sequence[Listener]) -> None:
    """Everything from the configuration to the exported model. Goes on where an earlier call was stopped.

    TrainerError for a Problem, Interrupted after a signal; both leave the run folder such that it can go on.
    """
    interrupts = Interrupts()
    with interrupts.listening(), only_trainer(run):
        chosen = backends.choose(config.training.device)
        precision = backends.precision(chosen, config.training.mixed_precision)
        accelerator = Accelerator(
            mixed_precision=precision.value, cpu=chosen.NAME == "cpu", step_scheduler_with_optimizer=False
        )
        _require_processes(config, int(accelerator.num_processes))
        events = EventLog(
            run / EVENTS if accelerator.is_main_process else None, *(listeners if accelerator.is_main_process else ())
        )
        context = Context(config, run, events, interrupts, accelerator, chosen)
        try:
            _Run(context).all(precision)
        finally:
            events.close()


@dataclass(slots=True)
class _Prepared:
    """What the stages after loading share."""

    pipeline: Pipeline
    subjects: tuple[Subject, ...]
    prompts: tuple[str, ...]


class _Run:
    """The stages of one run, in order."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.config = context.config
        self.run = context.run
        self.stage = "prepare"

    def all(self, precision: backends.Choice) -> None:
        """Every stage; the stage that fails is named in the event of the failure."""
        context = self.context
        try:
            prepared = self._prepare(precision)
            self._enter("class-images")
            class_images.ensure(context, prepared.subjects, prepared.pipeline)
            self._enter("cache")
            instance = instance_items(prepared.subjects)
            prior = class_images.class_items(context, prepared.subjects)
            batches = self._batches(prepared, instance, prior)
            self._enter("train")
            self._train(prepared, batches, (*instance, *prior), precision)
            self._enter("save")
            self._save(prepared)
        except TrainerError as error:
            for problem in error.problems:
                context.events.failed(self.stage, problem)
            raise

    def _enter(self, stage: str) -> None:
        self.stage = stage
        self.context.interrupts.check(0)

    def _prepare(self, precision: backends.Choice) -> _Prepared:
        context, config = self.context, self.config
        context.events.started("prepare", "The model is loaded")
        folder = self._folder()
        family = family_of(folder)
        vae = Path(config.model.pretrained_vae_name_or_path) if config.model.pretrained_vae_name_or_path else None
        pipeline = load_pipeline(family, folder, vae, context.accelerator.device)
        pipeline.autocast = context.accelerator.autocast
        attention = backends.attention(context.backend, config.training.attention, precision.value)
        backends.set_attention(pipeline.denoiser, attention.value)
        if config.training.gradient_checkpointing:
            pipeline.denoiser.enable_gradient_checkpointing()
        context.events.line("prepare", f"{family.title} on {context.accelerator.device}")
        context.events.line("prepare", f"precision {precision.value}: {precision.reason}")
        context.events.line("prepare", f"attention {attention.value}: {attention.reason}")
        found = subjects(config, self.run)
        prompts = sample.prompts_of(config.sampling, [p for s in found for p in (s.instance_prompt, s.class_prompt)])
        self._warn_of_long_prompts(pipeline, (*prompts, *(s.instance_prompt for s in found)))
        context.events.finished("prepare")
        return _Prepared(pipeline, found, prompts)

    def _folder(self) -> ModelFolder:
        """The model's folder; a single file is converted into the run first."""
        path = model_path(self.config)
        if not path.is_file():
            return read_folder(path)
        converted = self.run / "base_model"
        if self.context.main and not converted.is_dir():
            from dreamboot_trainer.convert import from_original

            self.context.events.line("prepare", f"{path.name} is converted to a diffusers folder")
            from_original(path, converted)
        self.context.wait()
        return read_folder(converted)

    def _warn_of_long_prompts(self, pipeline: Pipeline, prompts: Sequence[str]) -> None:
        for prompt in dict.fromkeys(prompts):
            lost = pipeline.family.text.too_long(pipeline.text, prompt)
            if lost:
                self.context.events.line("prepare", f"The last {lost} tokens of this prompt are cut off: {prompt}")

    def _batches(self, prepared: _Prepared, instance: Sequence[Item], prior: Sequence[Item]) -> Batches:
        pipeline, training = prepared.pipeline, self.config.training
        prompts = tuple(dict.fromkeys(item.prompt for item in (*instance, *prior)))
        layout = Layout(
            batch=training.train_batch_size,
            accumulation=training.gradient_accumulation_steps,
            processes=self.context.processes,
        )
        return Batches(
            family=pipeline.family,
            schedule=pipeline.schedule,
            instance=self._source(pipeline, instance),
            prior=self._source(pipeline, prior) if prior else None,
            text=self._text(pipeline, prompts),
            rows={prompt: row for row, prompt in enumerate(prompts)},
            layout=layout,
            seed=training.seed,
            device=self.context.accelerator.device,
        )

    def _text(self, pipeline: Pipeline, prompts: Sequence[str]) -> Rows:
        return pipeline.embed(prompts)

    def _source(self, pipeline: Pipeline, items: Sequence[Item]) -> Source:
        data, context = self.config.data, self.context
        if not data.cache_latents:
            return Live(items, pipeline.encode, data.resolution, center=data.center_crop, hflip=data.hflip)
        mine: list[tuple[int, tuple[Encoded, ...]]] = []
        for index in range(context.process, len(items), context.processes):
            context.interrupts.check(0)
            mine.append((index, encode_views(items[index], pipeline.encode, data.resolution, hflip=data.hflip)))
            context.events.progress("cache", index + 1, len(items), "images")
        views = dict(context.gather(mine))
        return Cached(items, [views[index] for index in range(len(items))])

    def _train(self, prepared: _Prepared, batches: Batches, items: Sequence[Item], precision: backends.Choice) -> None:
        context, config = self.context, self.config
        pipeline = prepared.pipeline
        trainable = Trainable(pipeline.family, pipeline.denoiser)
        trained = trainable.trained()
        rate = self._learning_rate()
        groups = [{"params": list(trained.values()), "lr": rate}]
        optimizer, choice = optim.build(groups, config.optimizer, context.accelerator.device.type)
        schedule = optim.schedule(optimizer, config.optimizer, config.training.max_train_steps)
        wrapped, prepared_optimizer = context.accelerator.prepare(trainable, optimizer)
        state = checkpoint.State(trained, optimizer, schedule, self._facts(items))
        first = self._resume(state)
        context.events.started(
            "train",
            f"{config.training.max_train_steps - first} steps",
            world_size=context.processes,
            device=str(context.accelerator.device),
            mixed_precision=precision.value,
            optimizer=choice.value,
            trainable_parameters=sum(parameter.numel() for parameter in trained.values()),
        )
        training = loop.Training(trainable, wrapped, prepared_optimizer, schedule, batches)
        if first == 0:
            self._sample(prepared, 0)
        loop.train(
            context,
            training,
            first,
            lambda step: self._after_step(prepared, step),
            lambda step: self._checkpoint(state, step),
        )
        self._after_step(prepared, config.training.max_train_steps)
        context.events.finished("train")

    def _learning_rate(self) -> float:
        training, settings = self.config.training, self.config.optimizer
        factor = training.train_batch_size * training.gradient_accumulation_steps * self.context.processes
        return settings.learning_rate * (factor if settings.scale_lr else 1)

    def _facts(self, items: Sequence[Item]) -> dict[str, Any]:
        """What must not change while a run is under way."""
        settings = dataclasses.asdict(self.config)
        facts = {
            f"{section}.{key}": value
            for section, part in settings.items()
            if section not in _FREE
            for key, value in part.items()
        }
        for name in ("training.num_processes", "training.device", "prior.sample_batch_size"):
            del facts[name]
        if self.config.optimizer.lr_scheduler.startswith("constant"):
            del facts["training.max_train_steps"]
        facts["data.concepts"] = [dict(concept) for concept in facts["data.concepts"]]
        facts["photos"] = fingerprint(items)
        return facts

    def _resume(self, state: checkpoint.State) -> int:
        """The number of steps already done, after loading them into `state`."""
        saved = checkpoint.complete(self.run / "checkpoints")
        if not saved or self.config.checkpoint.resume == "never":
            return 0
        checkpoint.load(saved[-1], state, self.context.process)
        self.context.events.line("train", f"Goes on from {saved[-1].path.name}")
        return saved[-1].step

    def _checkpoint(self, state: checkpoint.State, step: int) -> None:
        states = self.context.gather([checkpoint.generators()])
        if self.context.main:
            limit = self.config.checkpoint.checkpoints_total_limit
            checkpoint.save(self.run / "checkpoints", step, state, states, limit)
        self.context.wait()

    def _after_step(self, prepared: _Prepared, step: int) -> None:
        every, last = self.config.sampling.validation_steps, self.config.training.max_train_steps
        if step == last or (every and step % every == 0):
            self._sample(prepared, step)

    def _sample(self, prepared: _Prepared, step: int) -> None:
        """The grid of this step, unless it is there; by the main process."""
        path = self._grid(step)
        if self.context.main and self.config.sampling.num_validation_images and not path.is_file():
            grid = sample.make_grid(
                prepared.pipeline, self.config.sampling, prepared.prompts, self.config.data.resolution, f"step {step}"
            )
            sample.write_png(grid, path)
            self.context.events.progress("sample", step, self.config.training.max_train_steps, "steps", path=str(path))
        self.context.wait()

    def _grid(self, step: int) -> Path:
        return self.run / "samples" / f"step-{step:06d}.png"

    def _save(self, prepared: _Prepared) -> None:
        if self.context.main:
            before, after = self._grid(0), self._grid(self.config.training.max_train_steps)
            if before.is_file() and after.is_file():
                sample.beside(before, after, self.run / "samples" / "before_after.png")
            plots.draw_loss(read_events(self.run / EVENTS), self.run / "plots" / "loss.png")
            self.context.events.started("save", "The model is written")
            pipeline = prepared.pipeline
            trained = {pipeline.family.denoiser: pipeline.denoiser.state_dict()}
            vae = (
                Path(self.config.model.pretrained_vae_name_or_path)
                if self.config.model.pretrained_vae_name_or_path
                else None
            )
            save.save_folder(
                pipeline.folder, pipeline.family, trained, self.config.output.save_precision, self.run / MODEL, vae
            )
            self.context.events.finished("save", path=str(self.run / MODEL))
            self._export()
        self.context.wait()

    def _export(self) -> None:
        self.stage = "export"
        data = {"model": str(self.run / MODEL)}
        if self.config.output.save_original:
            from dreamboot_trainer.convert import to_original

            self.context.events.started("export", "The checkpoint for other programs is written")
            to_original(self.run / MODEL, self.run / ORIGINAL)
            data["checkpoint"] = str(self.run / ORIGINAL)
        self.context.events.finished("export", **data)


def _require_processes(config: Config, found: int) -> None:
    wanted = config.training.num_processes
    if wanted and wanted != found:
        raise TrainerError(
            mismatch(
                "world-size",
                f"Training was to run in {wanted} processes but runs in {found}.",
                f"{wanted} processes",
                f"{found} (accelerate launch starts one process on a CPU, whatever it is told)",
                f"torchrun --nproc_per_node {wanted} -m dreamboot_trainer train --config CONFIG",
            )
        )
