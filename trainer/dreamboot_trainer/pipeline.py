"""The loaded model: the family's parts on one device, and the two things done with them outside of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dreamboot_trainer import noise
from dreamboot_trainer.data.pixels import to_image
from dreamboot_trainer.families import Family, TextParts
from dreamboot_trainer.lean import lean_imports
from dreamboot_trainer.model_folder import ModelFolder

if TYPE_CHECKING:
    from PIL.Image import Image

Rows = Mapping[str, torch.Tensor]


@dataclass(slots=True)
class Pipeline:
    """One model. `autocast` wraps every call of the denoiser outside of training.

    VAE and frozen text encoders can rest in main memory while only the denoiser is needed (0.8 GB less on the GPU for
    SD 1.5 in float32: 84 M and 123 M weights); `resting` says that they do.
    """

    family: Family
    folder: ModelFolder
    denoiser: Any
    vae: Any
    text: TextParts
    schedule: Any
    device: torch.device
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    resting: bool = False

    def rest(self) -> None:
        """Move what training does not need to main memory. Text encoders that are trained stay."""
        self._move(torch.device("cpu"))
        self.resting = True

    def forget(self) -> None:
        """Free what training does not need, for good: no picture can be made afterwards."""
        self._move(torch.device("meta"))

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside, every part is on the device."""
        self._move(self.device)
        try:
            yield
        finally:
            if self.resting:
                self._move(torch.device("cpu"))

    def _move(self, device: torch.device) -> None:
        frozen = (e for e in self.text.encoders if not any(p.requires_grad for p in e.parameters()))
        for part in (self.vae, *frozen):
            if part.device != device:
                part.to(device)

    @torch.no_grad()
    def embed(self, prompts: Sequence[str]) -> Rows:
        """What the text encoders make of the prompts, one row each, on the device."""
        return self.family.text.encode(self.text.encoders, self.tokens(prompts))

    def tokens(self, prompts: Sequence[str]) -> Rows:
        """The prompts' token ids, one row each, on the device."""
        found = self.family.text.tokens(self.text, prompts)
        return {name: rows.to(self.device) for name, rows in found.items()}

    @torch.no_grad()
    def encode(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the latents, on the device."""
        return self.family.latents.encode(self.vae, pixels.to(self.device))

    @torch.no_grad()
    def generate(self, request: Request, text: Rows, negative: Rows) -> tuple[Image, ...]:
        """One picture for each row of `text`, from the seeds of the request."""
        family = self.family
        shape = family.latents.shape(self.folder, request.height, request.width)
        start = torch.stack([noise.gaussian(shape, "sample", seed) for seed in request.seeds]).to(self.device)
        size = (request.height, request.width, 0, 0, request.height, request.width)
        sizes = torch.tensor([size] * len(request.seeds), device=self.device)

        def predict(*inputs: Any) -> torch.Tensor:
            with self.autocast():
                return family.denoise.predict(self.denoiser, *inputs)

        training = self.denoiser.training
        self.denoiser.eval()
        latents = family.sample.denoise(
            predict, self.schedule, start, text, negative, sizes, request.guidance, request.steps
        )
        self.denoiser.train(training)
        return tuple(to_image(family.latents.decode(self.vae, one[None])[0]) for one in latents)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """How to generate: one picture per seed."""

    seeds: tuple[int, ...]
    height: int
    width: int
    guidance: float
    steps: int


def load(
    family: Family,
    folder: ModelFolder,
    vae: Path | None,
    device: torch.device,
    *,
    adapters: bool = False,
    compiled: bool = False,
) -> Pipeline:
    """Every part in float32 on the device. `vae`: another VAE's folder.

    `adapters`: whether LoRA layers may come in. `compiled`: whether the network will be compiled.
    """
    with lean_imports(adapters=adapters, compiled=compiled):
        loader = family.load
        text = loader.text(folder, torch.float32)
        for encoder in text.encoders:
            encoder.to(device)
        return Pipeline(
            family=family,
            folder=folder,
            denoiser=loader.denoiser(folder, torch.float32).to(device),
            vae=loader.vae(vae or folder.part("vae"), torch.float32).to(device),
            text=text,
            schedule=loader.noise_schedule(folder),
            device=device,
        )


def repeat(rows: Rows, count: int) -> Rows:
    """The only row of every tensor, `count` times."""
    return {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in rows.items()}
