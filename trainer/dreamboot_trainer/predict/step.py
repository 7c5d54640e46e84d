"""A run's training step on tensors without contents, recorded: weights, forward, backward, optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dreamboot_trainer import losses
from dreamboot_trainer.predict import moments
from dreamboot_trainer.predict.as_cuda import as_on_cuda
from dreamboot_trainer.predict.loaded import DTYPES, Loaded
from dreamboot_trainer.predict.networks import Adapted
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.states import sizes, workspace
from dreamboot_trainer.predict.trace import Recorder, Trace
from dreamboot_trainer.trainable import Trainable

STEP = "step"
STEPS = 2
"""The optimizer's states exist from the first step's end on, so that the second step is the one that counts."""


def record(request: Request, configs: Mapping[str, Mapping[str, Any]]) -> Trace:
    """The allocations of a run: the moments that are asked for, and between them `STEPS` optimizer steps.

    `configs`: the published ones of the family, by folder.
    """
    with as_on_cuda(Recorder()) as recorder:
        loaded = Loaded(request, configs, recorder)
        moments.before(loaded)
        with recorder.moment(STEP):
            step = Step(loaded)
            for _ in range(STEPS):
                step.run()
        moments.after(loaded, step.trained)
        trace: Trace = recorder.trace
        return trace


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
        self.states: list[Any] = []
        weight: Any
        for weight in self.trained:
            weight.register_post_accumulate_grad_hook(self._label)

    def _label(self, weight: Any) -> None:
        self.recorder.label(weight.grad, "gradients")

    def run(self) -> None:
        """Forward and backward for each accumulated batch, then the optimizer."""
        for _ in range(self.request.accumulation):
            self.loss().backward()
        # A text encoder's last layers may take no part: without a gradient, a weight has no states.
        learning = [weight for weight in self.trained if weight.grad is not None]
        if not self.states:
            with self.recorder.labelled("optimizer states"):
                self.states = [torch.empty(size, dtype=torch.uint8) for size in self.state_sizes(learning)]
        with self.recorder.labelled("optimizer's workspace"):
            shapes = [weight.shape for weight in learning]
            torch.empty(workspace(shapes, self.request.optimizer, self.request.implementation), dtype=torch.uint8)
        for weight in self.trained:
            weight.grad = None

    def state_sizes(self, weights: list[Any]) -> list[int]:
        """Bytes of each of the optimizer's states for these weights."""
        optimizer, way = self.request.optimizer, self.request.implementation
        each = (sizes(w.shape, optimizer, implementation=way, zero=id(w) in self.zeros) for w in weights)
        return [size for found in each for size in found]

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
