"""Third stage: photos become latents and prompts become text rows, before the first step needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from dreamboot_trainer.context import Context
from dreamboot_trainer.data.batches import Batches
from dreamboot_trainer.data.buckets import bucket_sizes
from dreamboot_trainer.data.items import Item
from dreamboot_trainer.data.order import Layout
from dreamboot_trainer.data.sources import Cached, Encoded, Live, Source, encode_views
from dreamboot_trainer.families import Levels
from dreamboot_trainer.pipeline import Pipeline, Rows
from dreamboot_trainer.stages.prepare import Prepared, warn_of_long_prompts


def make_batches(context: Context, prepared: Prepared, instance: Sequence[Item], prior: Sequence[Item]) -> Batches:
    """Everything that a training step takes. The photos are dealt to the processes and shared afterwards."""
    pipeline, training = prepared.pipeline, context.config.training
    context.events.started("cache", f"{len(instance)} photos and {len(prior)} class images")
    prompts = tuple(dict.fromkeys(item.prompt for item in (*instance, *prior)))
    warn_of_long_prompts(context, pipeline, [prompt for prompt in prompts if prompt not in prepared.prompts])
    total = len(instance) + len(prior)
    with pipeline.without_words():
        photos = _source(context, pipeline, instance, 0, total)
        class_images = _source(context, pipeline, prior, len(instance), total) if prior else None
    batches = Batches(
        family=pipeline.family,
        schedule=pipeline.schedule,
        instance=photos,
        prior=class_images,
        text=_text(context, pipeline, prompts),
        rows={prompt: row for row, prompt in enumerate(prompts)},
        layout=Layout(
            batch=training.train_batch_size,
            accumulation=training.gradient_accumulation_steps,
            processes=context.processes,
        ),
        seed=training.seed,
        device=context.accelerator.device,
        noise_offset=training.noise_offset,
        snr_gamma=training.snr_gamma,
        levels=Levels(sampling=training.timestep_sampling, shift=training.timestep_shift),
        buckets=context.config.data.aspect_ratio_buckets,
    )
    context.events.finished("cache")
    return batches


def _text(context: Context, pipeline: Pipeline, prompts: Sequence[str]) -> Rows:
    """One row per prompt: token ids where the text encoder learns, else what it makes of them."""
    config = context.config
    with nullcontext() if config.data.pad_tokens else padded_to_longest(pipeline.text.tokenizers, prompts):
        return pipeline.settled(prompts) if config.training.train_text_encoder else pipeline.embed(prompts)


@contextmanager
def padded_to_longest(tokenizers: Sequence[Any], prompts: Sequence[str]) -> Iterator[None]:
    """Inside, prompts are padded to the longest of them, and not to the text encoder's length."""
    before = [tokenizer.model_max_length for tokenizer in tokenizers]
    longest = max(len(tokenizer(prompt, truncation=False).input_ids) for tokenizer in tokenizers for prompt in prompts)
    for tokenizer, length in zip(tokenizers, before, strict=True):
        tokenizer.model_max_length = min(longest, length)
    try:
        yield
    finally:
        for tokenizer, length in zip(tokenizers, before, strict=True):
            tokenizer.model_max_length = length


def _source(context: Context, pipeline: Pipeline, items: Sequence[Item], before: int, total: int) -> Source:
    data = context.config.data
    square = ((data.resolution, data.resolution),)
    sizes = bucket_sizes(data.resolution, pipeline.family.multiple) if data.aspect_ratio_buckets else square
    if not data.cache_latents:
        workers = data.dataloader_num_workers
        return Live(items, pipeline.encode, sizes, center=data.center_crop, hflip=data.hflip, workers=workers)
    mine: list[tuple[int, tuple[Encoded, ...]]] = []
    for index in range(context.process, len(items), context.processes):
        context.interrupts.check(0)
        mine.append((index, encode_views(items[index], pipeline.encode, sizes, hflip=data.hflip)))
        context.events.progress("cache", before + index + 1, total, "images")
    views = dict(context.gather(mine))
    return Cached(items, [views[index] for index in range(len(items))])
