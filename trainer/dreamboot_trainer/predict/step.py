"""A run's training step on tensors without contents, recorded: weights, forward, backward, optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dreamboot_trainer import losses
from dreamboot_trainer.predict import moments
from dreamboot_trainer.predict.as_cuda import as_on_cuda
from dreamboot_trainer.predict.loaded import DTYPES, Loaded
from dreamboot_trainer.predict.networks import Adapted
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.states import Weight
from dreamboot_trainer.predict.trace import Recorder, Trace
from dreamboot_trainer.predict.with_optimizer import with_optimizer
from dreamboot_trainer.trainable import Trainable

STEP = "step"
STEPS = 2
"""The optimizer's states exist from the first step's end on, so that the second step is the one that counts."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run allocates, but for its optimizer, and the weights that the optimizer changes."""

    trace: Trace
    weights: tuple[Weight, ...]


def record(request: Request, configs: Mapping[str, Mapping[str, Any]]) -> Trace:
    """The allocations of a run: the moments that are asked for, and between them `STEPS` optimizer steps.

    `configs`: the published ones of the family, by folder.
    """
    found = recording(request, configs)
    return with_optimizer(found.trace, found.weights, request.optimizer, request.implementation)


def recording(request: Request, configs: Mapping[str, Mapping[str, Any]], limit: int = 0) -> Recording:
    """The same without the optimizer, whichever the request says.

    NoRoomError as soon as tensors are known to need more than `limit` bytes, where one is given. One step is computed,
    the others are its repetition: all of them allocate the same.
    """
    with as_on_cuda(Recorder(limit)) as recorder:
        loaded = Loaded(request, configs, recorder)
        moments.before(loaded)
        with recorder.moment(STEP):
            step = Step(loaded)
            begin = len(recorder.trace.events)
            step.run()
            recorder.repeat(begin, STEPS - 1)
        moments.after(loaded, step.trained)
        return Recording(recorder.trace, step.weights)


class Step:
    """What is trained, and one optimizer step of it. To be made and used within `as_on_cuda`."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded, self.request, self.recorder = loaded, loaded.request, loaded.recorder
        request, recorder = self.request, self.recorder
        with recorder.labelled("weights"):
            loaded.place(loaded.denoiser)
            if request.text_encoder or not request.cached:
                loaded.place(*loaded.encoders.values())
            if not request.cached:
                loaded.place(loaded.vae)
            self.trainable = Trainable(loaded.family, loaded.denoiser, loaded.attach())
        if request.checkpointing:
            self.trainable.save_memory()
        if request.attention == "naive":
            from diffusers.models.attention_processor import AttnProcessor

            loaded.denoiser.set_attn_processor(AttnProcessor())
        self.trainable.train()
        self.trained = [weight for weight in self.trainable.parameters() if weight.requires_grad]
        self.zeros = {id(part.up.weight) for part in self.trainable.modules() if isinstance(part, Adapted)}
        if request.processes > 1:
            with recorder.labelled("exchange between processes"):  # DDP's buckets, as large as the gradients
                self.buckets = [torch.empty_like(weight) for weight in self.trained]
        if request.ema:
            with recorder.labelled("average of the weights"):
                self.average = [torch.empty_like(weight) for weight in self.trained]
        prompts = min(request.samples, 2)
        self.rows = loaded.tokens(prompts) if request.text_encoder else loaded.text(prompts)
        for row in self.rows.values():
            recorder.label(row, "prompts")
        recorder.require(sum(weight.nbytes for weight in self.trained))  # as many bytes of gradients
        self.weights: tuple[Weight, ...] = ()
        weight: Any
        for weight in self.trained:
            weight.register_post_accumulate_grad_hook(self._label)

    def _label(self, weight: Any) -> None:
        self.recorder.label(weight.grad, "gradients")

    def run(self) -> None:
        """Forward and backward for each accumulated batch, then the optimizer."""
        times = self.request.accumulation
        # The first batch makes the gradients, all others add to them and are alike.
        for _ in range(min(times, 2)):
            begin = len(self.recorder.trace.events)
            self.loss().backward()
        self.recorder.repeat(begin, times - min(times, 2))
        self.weights = self.learning()
        self.recorder.mark()
        for weight in self.trained:
            weight.grad = None

    def learning(self) -> tuple[Weight, ...]:
        """The weights that have a gradient now. A text encoder's last layers may take no part, and have no states."""
        having = [weight for weight in self.trained if weight.grad is not None]
        return tuple(Weight(tuple(weight.shape), zero=id(weight) in self.zeros) for weight in having)

    def loss(self) -> Any:
        """The loss of one batch: instance and class images together, where there are class images."""
        request, loaded = self.request, self.loaded
        if not request.cached:
            for _ in range(request.samples):
                moments.encode(loaded)
        count, (channels, height, width) = request.samples, loaded.latents
        config, flow = loaded.configs[loaded.family.denoiser], loaded.family.flow
        noisy = torch.randn(count, channels, height, width)
        # A network may answer in more channels than it is given (a variance), or in fewer (inpainting).
        target = torch.randn(count, channels if flow else config["out_channels"], height, width)
        times = torch.rand(count) if flow else torch.zeros(count, dtype=torch.int64)
        picked = torch.zeros(count, dtype=torch.int64)
        text = {name: rows[picked] for name, rows in self.rows.items()}
        enabled = request.mixed_precision != "no"
        with torch.autocast("cpu", DTYPES[request.mixed_precision] if enabled else torch.bfloat16, enabled=enabled):
            guess = self.trainable(noisy, times, text, torch.zeros(count, 6))
        return losses.per_sample(guess, target).mean()
