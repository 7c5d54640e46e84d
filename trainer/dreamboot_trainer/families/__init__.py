"""What differs between model families, behind one seam: the training loop knows no family.

A family is a sub-package with `FAMILY` in its `__init__` (no torch there) and the modules `load`, `text`, `latents`,
`denoise` and `sample`, which hold the functions of the protocols below.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from dreamboot_trainer.config import ATTENTIONS
from dreamboot_trainer.model_folder import ModelFolder
from dreamboot_trainer.problems import Problem, TrainerError

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]
    """What the prompts became: named tensors whose first dimension is the prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One part of the pipeline's folder and the classes that it may have."""

    name: str
    classes: tuple[str, ...]
    weights: bool = True
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Width:
    """A key of the denoiser's config, and the (component, key) of text encoders' configs whose sum it must be."""

    key: str
    made: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class TextParts:
    """Tokenizers and text encoders, in the order in which the family uses them."""

    tokenizers: tuple[Any, ...]
    encoders: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """How noise levels are drawn in training. `shift` 0 is the model's own; families without a choice use neither."""

    sampling: str = "auto"
    shift: float = 0.0


class Load(Protocol):
    """`load.py`: weights from a folder, on the CPU, in float32 unless `dtype` says otherwise.

    `large`: the number format of text encoders with billions of weights.
    """

    def denoiser(self, folder: ModelFolder, dtype: torch.dtype) -> torch.nn.Module: ...
    def vae(self, folder: Path, dtype: torch.dtype) -> torch.nn.Module: ...
    def text(self, folder: ModelFolder, dtype: torch.dtype, large: torch.dtype) -> TextParts: ...
    def noise_schedule(self, folder: ModelFolder) -> Any: ...


class Text(Protocol):
    """`text.py`: prompts to conditioning.

    `settled`: tokens, with those of encoders that are never trained replaced by what these make of them.
    """

    def tokens(self, parts: TextParts, prompts: Sequence[str]) -> Tensors: ...
    def settled(self, encoders: Sequence[Any], tokens: Tensors) -> Tensors: ...
    def encode(self, encoders: Sequence[Any], tokens: Tensors) -> Tensors: ...
    def too_long(self, parts: TextParts, prompt: str) -> int: ...


class Latents(Protocol):
    """`latents.py`: pixels [B, 3, H, W] in -1..1 to the scaled latents' (mean, standard deviation), and back."""

    def encode(self, vae: torch.nn.Module, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...
    def decode(self, vae: torch.nn.Module, latents: torch.Tensor) -> torch.Tensor: ...
    def shape(self, folder: ModelFolder, height: int, width: int) -> tuple[int, int, int]: ...


class Denoise(Protocol):
    """`denoise.py`: one call of the network, and what it should have answered.

    `sizes` [B, 6]: height and width of the photo, top and left of the crop, height and width of the result.
    `guidance` is told to networks that take it as an input. `timestep`: a noise level for latents of `shape` (C, h, w),
    drawn for these names.
    """

    def predict(
        self,
        denoiser: torch.nn.Module,
        noisy: torch.Tensor,
        timesteps: torch.Tensor,
        text: Tensors,
        sizes: torch.Tensor,
        guidance: float = 1.0,
    ) -> torch.Tensor: ...
    def weights(self, schedule: Any, timesteps: torch.Tensor, snr_gamma: float) -> torch.Tensor: ...
    def timestep(self, schedule: Any, levels: Levels, shape: Sequence[int], *names: int | str) -> float: ...
    def target(
        self, schedule: Any, latents: torch.Tensor, added: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor: ...
    def add_noise(
        self, schedule: Any, latents: torch.Tensor, added: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor: ...


class Sample(Protocol):
    """`sample.py`: the whole way from noise to latents.

    `predict(latents, timesteps, text, sizes[, guidance])` is the network; `text` and `negative` have one row per image.
    """

    def denoise(
        self,
        predict: Callable[..., torch.Tensor],
        schedule: Any,
        noise: torch.Tensor,
        text: Tensors,
        negative: Tensors,
        sizes: torch.Tensor,
        guidance: float,
        steps: int,
    ) -> torch.Tensor: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One model family. `denoiser` names the trained component; `multiple` is what image sides must divide by.

    `widths`: what of the denoiser's config the text encoders must fit.
    `positions`: the key of the denoiser's config that says for how many patches a side it has positions, if any.
    `packing`: latent pixels that the denoiser takes as one. `never_trained`: text encoders that always stay as they
    are. `methods`, `attentions`: values of the keys `method` and `attention` that it can be trained with.
    `flow`: trained by flow matching, so noise levels are shares of noise 0..1. `guidance`: the usual guidance_scale.
    `guided_twice`: guidance asks the network twice, with the prompt and without (FLUX.1 is told it as a number).
    `why_not_full` is said where a whole fine-tune is asked for and is not among the methods.
    """

    name: str
    title: str
    package: str
    components: tuple[Component, ...]
    recognises: Callable[[ModelFolder], bool]
    resolution: int
    multiple: int = 8
    denoiser: str = "unet"
    text_encoders: tuple[str, ...] = ("text_encoder",)
    lora_targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    widths: tuple[Width, ...] = (Width(key="cross_attention_dim", made=(("text_encoder", "hidden_size"),)),)
    positions: str = ""
    packing: int = 1
    never_trained: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("full", "lora")
    attentions: tuple[str, ...] = ATTENTIONS
    flow: bool = False
    guidance: float = 7.5
    guided_twice: bool = True
    why_not_full: str = ""

    def trainable(self, encoders: Sequence[Any]) -> dict[str, Any]:
        """Of the text encoders, those that may be trained, by their names."""
        named = zip(self.text_encoders, encoders, strict=True)
        return {name: encoder for name, encoder in named if name not in self.never_trained}

    def latent_channels(self, folder: ModelFolder) -> int:
        """Channels of the latents that the denoiser takes."""
        return int(folder.config(self.denoiser).get("in_channels", 4)) // self.packing

    def largest_side(self, folder: ModelFolder) -> int:
        """Pixels a side of the largest picture that the denoiser takes; 0: any."""
        config = folder.config(self.denoiser)
        positions, patch = config.get(self.positions, 0), config.get("patch_size", 1)
        known = isinstance(positions, int) and isinstance(patch, int)
        return max(0, positions * patch * folder.pixels_per_latent) if known else 0

    @property
    def load(self) -> Load:
        """`load.py`."""
        return cast(Load, importlib.import_module(f"{self.package}.load"))

    @property
    def text(self) -> Text:
        """`text.py`."""
        return cast(Text, importlib.import_module(f"{self.package}.text"))

    @property
    def latents(self) -> Latents:
        """`latents.py`."""
        return cast(Latents, importlib.import_module(f"{self.package}.latents"))

    @property
    def denoise(self) -> Denoise:
        """`denoise.py`."""
        return cast(Denoise, importlib.import_module(f"{self.package}.denoise"))

    @property
    def sample(self) -> Sample:
        """`sample.py`."""
        return cast(Sample, importlib.import_module(f"{self.package}.sample"))


@cache
def families() -> tuple[Family, ...]:
    """Every family, found by its folder, in the order of their names."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            found.append(cast(Family, importlib.import_module(f"{__name__}.{module.name}").FAMILY))
    return tuple(sorted(found, key=lambda family: family.name))


def family_of(folder: ModelFolder) -> Family:
    """The family that a model folder belongs to; TrainerError where none knows it."""
    for family in families():
        if family.recognises(folder):
            return family
    titles = ", ".join(family.title for family in families())
    raise TrainerError(
        Problem(
            id="model-unknown-family",
            what=f"{folder.path} holds a model that this trainer does not know.",
            cause=f"Expected one of {titles}; found {folder.class_name or 'no class name'} "
            f"with the parts {', '.join(folder.parts) or 'none'}.",
            hint="Name the folder of a model of one of these families: --set pretrained_model_name_or_path=FOLDER",
        )
    )
