"""The loaded model: the family's parts on one device, and the two things done with them outside of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dreamboot_trainer import noise
from dreamboot_trainer.backend import Backend, precision
from dreamboot_trainer.data.pixels import to_image
from dreamboot_trainer.families import Family, TextParts
from dreamboot_trainer.families.weights import require_vocabulary
from dreamboot_trainer.lean import lean_imports
from dreamboot_trainer.methods import Method, methods
from dreamboot_trainer.model_folder import ModelFolder
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    from PIL.Image import Image

    from dreamboot_trainer.config import Config

Rows = Mapping[str, torch.Tensor]


@dataclass(slots=True)
class Pipeline:
    """One model. `autocast` wraps every call of the denoiser outside of training.

    VAE and frozen text encoders can rest in main memory while only the denoiser is needed (0.8 GB less on the GPU for
    SD 1.5 in float32: 84 M and 123 M weights); `resting` says that they do. Encoders that are never trained are as
    large as the denoiser (T5): they and it take turns on the device, and what they made of prompts is kept in `read`.
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
    read: dict[tuple[object, ...], Rows] = field(default_factory=dict)

    def rest(self) -> None:
        """Move what training does not need to main memory. Text encoders that are trained stay."""
        self._move(torch.device("cpu"))
        self.resting = True

    def forget(self) -> None:
        """Free what training does not need, for good: no picture can be made afterwards."""
        for module in (module for part in self._resting() for module in part.modules()):
            for name, weight in module._parameters.items():
                if weight is not None:
                    nothing = torch.empty(weight.shape, dtype=weight.dtype, device="meta")
                    module._parameters[name] = torch.nn.Parameter(nothing, requires_grad=False)
            if hasattr(module, "quant_state"):  # the scales of weights of 4 bits
                module.quant_state = None

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside, every part is on the device."""
        self._move(self.device)
        try:
            yield
        finally:
            if self.resting:
                self._move(torch.device("cpu"))

    @contextmanager
    def without_words(self) -> Iterator[None]:
        """Inside, text encoders that are not trained wait in main memory: pixels want the room (SDXL's take 3.3 GB)."""
        on_card = self.device.type != "cpu"
        away = [encoder for encoder in self._frozen() if on_card and encoder.device.type == self.device.type]
        for encoder in away:
            encoder.to(torch.device("cpu"))
        try:
            yield
        finally:
            for encoder in away:
                encoder.to(self.device)

    def _move(self, device: torch.device) -> None:
        large = [] if device.type == "cpu" else self._large()
        for part in self._resting():
            if part.device != device and not any(part is each for each in large):
                part.to(device)

    def _large(self) -> list[Any]:
        """Text encoders that are never trained, where the folder has them."""
        small = self.family.trainable(self.text.encoders).values()
        others = (encoder for encoder in self.text.encoders if not any(encoder is each for each in small))
        return [encoder for encoder in others if next(encoder.parameters(), None) is not None]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Inside, the large text encoders are on the device in the denoiser's place."""
        away = [encoder for encoder in self._large() if encoder.device != self.device]
        if away:
            self.denoiser.to(torch.device("cpu"))
        for encoder in away:
            encoder.to(self.device)
        try:
            yield
        finally:
            for encoder in away:
                encoder.to(torch.device("cpu"))
            if away:
                self.denoiser.to(self.device)

    def _resting(self) -> tuple[Any, ...]:
        """What training does not need."""
        return (self.vae, *self._frozen())

    def _frozen(self) -> list[Any]:
        """The text encoders that are not trained."""
        return [e for e in self.text.encoders if not any(p.requires_grad for p in e.parameters())]

    @torch.no_grad()
    def embed(self, prompts: Sequence[str]) -> Rows:
        """What the text encoders make of the prompts, one row each, on the device."""
        return self.family.text.encode(self.text.encoders, self.settled(prompts))

    @torch.no_grad()
    def settled(self, prompts: Sequence[str]) -> Rows:
        """As `tokens`, but encoders that are never trained have done their part."""
        tokens = self.tokens(prompts)
        if not self.family.never_trained:
            return tokens
        key = (*prompts, *(rows.shape[1] for rows in tokens.values()))
        if key not in self.read:
            with self._turn():
                self.read[key] = self.family.text.settled(self.text.encoders, tokens)
        return self.read[key]

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
            request.before_step()
            with self.autocast():
                return family.denoise.predict(self.denoiser, *inputs)

        training = self.denoiser.training
        self.denoiser.eval()
        with self.without_words():
            latents = family.sample.denoise(
                predict, self.schedule, start, text, negative, sizes, request.guidance, request.steps
            )
            pixels = [family.latents.decode(self.vae, one[None])[0] for one in latents]
        if request.finite:
            _require_finite(pixels)
        self.denoiser.train(training)
        return tuple(to_image(each) for each in pixels)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """How to generate: one picture per seed. `before_step` is called before every denoising step; it may raise.

    `finite`: a picture that holds no numbers is a Problem, and not a black one.
    """

    seeds: tuple[int, ...]
    height: int
    width: int
    guidance: float
    steps: int
    before_step: Callable[[], None] = lambda: None
    finite: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """How weights that stay as they are are held: their number format, or 4 bits each with arithmetic in it."""

    dtype: torch.dtype = torch.float32
    nf4: bool = False

    def place(self, module: Any, device: torch.device) -> Any:
        """A module that stays as it is on the device, with `nf4` in 4 bits."""
        if self.nf4:
            from dreamboot_trainer.quantize import to_nf4

            to_nf4(module, device, self.dtype)
        return module.to(device)

    def autocast(self, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
        """What to call the denoiser under: float32 inputs meet weights of another format."""
        if self.dtype is torch.float32:
            return nullcontext
        return lambda: torch.autocast(device.type, self.dtype)


def _require_finite(pixels: Sequence[torch.Tensor]) -> None:
    if not all(bool(each.isfinite().all()) for each in pixels):
        raise TrainerError(
            mismatch(
                "picture-not-finite",
                "The model makes pictures that hold no numbers.",
                "finite pixels",
                "nan or inf; likely the weights of the network or the VAE are damaged, or beyond the range of fp16",
                "--set mixed_precision=no; where that does not help, download the model again",
            )
        )


def base_of(method: Method, config: Config, precision: str) -> Base:
    """The base of a run: half precision serves only weights that stay as they are."""
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
    return Base(dtype=dtype, nf4=config.lora.base_precision == "nf4") if method.ADAPTERS else Base()


def base_for(config: Config, family: Family, chosen: Backend) -> Base:
    """The base for drawing alone: float32, but for families of billions of weights what their training has."""
    if not family.flow:
        return Base()
    return base_of(methods()["lora"], config, precision(chosen, config.training.mixed_precision).value)


def load(
    family: Family,
    folder: ModelFolder,
    vae: Path | None,
    device: torch.device,
    *,
    adapters: bool = False,
    compiled: bool = False,
    base: Base | None = None,
) -> Pipeline:
    """Every part on the device, in float32 but for what `base` says of a denoiser that stays as it is.

    `vae`: another VAE's folder. `adapters`: whether LoRA layers may come in. `compiled`: whether the network will be
    compiled.
    """
    base = base or Base()
    with lean_imports(adapters=adapters, compiled=compiled):
        loader = family.load
        # T5 overflows in fp16 (huggingface/transformers issue 4586); bf16 has float32's range.
        large = torch.bfloat16 if base.dtype is torch.float16 else base.dtype
        text = loader.text(folder, torch.float32, large)
        require_vocabulary(folder, text)
        for name, encoder in zip(family.text_encoders, text.encoders, strict=True):
            if name not in family.never_trained:
                encoder.to(device)
            elif base.nf4:  # packed on the device, where it is quick
                base.place(encoder, device).to(torch.device("cpu"))
        return Pipeline(
            family=family,
            folder=folder,
            denoiser=base.place(loader.denoiser(folder, base.dtype), device),
            autocast=base.autocast(device),
            vae=loader.vae(vae or folder.part("vae"), torch.float32).to(device),
            text=text,
            schedule=loader.noise_schedule(folder),
            device=device,
        )


def repeat(rows: Rows, count: int) -> Rows:
    """The only row of every tensor, `count` times."""
    return {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in rows.items()}
