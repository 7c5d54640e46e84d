"""Networks that say how alike pictures are, from folders on this machine: DINO, CLIP, and the demo's own judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Means and standard deviations of the pixels that they were trained on (facebookresearch/dino, openai/CLIP)."""
_DINO_BORDER = 256 / 224
"""DINO was evaluated on the middle 224 pixels of pictures of 256 (facebookresearch/dino, eval_knn.py)."""


class ImageEncoder(Protocol):
    """`name` is how the likeness by this encoder is called."""

    name: str

    def pictures(self, images: Sequence[Image]) -> torch.Tensor: ...


@dataclass(slots=True)
class Dino:
    """A ViT's class token; the paper's DINO metric takes ViT-S/16 (facebook/dino-vits16)."""

    network: Any
    size: int
    moments: tuple[tuple[float, ...], tuple[float, ...]]
    name: str = "DINO"

    def pictures(self, images: Sequence[Image]) -> torch.Tensor:
        """Rows of length 1 [N, D]."""
        from torch.nn import functional

        pixels = prepared(images, self.size, round(self.size * _DINO_BORDER), self.moments)
        return functional.normalize(_each(pixels, lambda part: self.network(part).last_hidden_state[:, 0]), dim=1)


@dataclass(slots=True)
class Clip:
    """CLIP's two towers (openai/clip-vit-base-patch32 or another)."""

    network: Any
    tokenizer: Any
    size: int
    moments: tuple[tuple[float, ...], tuple[float, ...]]
    name: str = "CLIP-I"

    def pictures(self, images: Sequence[Image]) -> torch.Tensor:
        """Rows of length 1 [N, D]."""
        from torch.nn import functional

        pixels = prepared(images, self.size, self.size, self.moments)
        return functional.normalize(_each(pixels, lambda part: _tensor(self.network.get_image_features(part))), dim=1)

    def texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """Rows of length 1 [N, D]."""
        import torch
        from torch.nn import functional

        length = int(self.network.config.text_config.max_position_embeddings)
        tokens = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        with torch.inference_mode():
            found = _tensor(self.network.get_text_features(tokens.input_ids, attention_mask=tokens.attention_mask))
        return functional.normalize(found, dim=1)


class Judge:
    """The demo's own classifier."""

    name = "judge"

    def pictures(self, images: Sequence[Image]) -> torch.Tensor:
        """Rows of length 1 [N, 128]."""
        from dreamboot_trainer import demo
        from dreamboot_trainer.demo import judge, learning

        side = (demo.RESOLUTION, demo.RESOLUTION)
        found: torch.Tensor = judge.features(learning.pixels([image.resize(side) for image in images]))
        return found


def load_dino(folder: Path) -> Dino:
    """A ViTModel's folder. TrainerError where it holds none."""
    from transformers import ViTModel

    make: Any = ViTModel
    network = _loaded(folder, lambda: _whole(make, folder, add_pooling_layer=False))
    return Dino(network, int(network.config.image_size), _moments(folder, _IMAGENET))


def load_clip(folder: Path) -> Clip:
    """A CLIPModel's folder with its tokenizer. TrainerError where it holds none."""
    from transformers import CLIPModel, CLIPTokenizer

    make: Any = CLIPModel
    network = _loaded(folder, lambda: _whole(make, folder))
    tokenizer = _loaded(folder, lambda: CLIPTokenizer.from_pretrained(folder, local_files_only=True))
    return Clip(network, tokenizer, int(network.config.vision_config.image_size), _moments(folder, _CLIP))


def prepared(
    images: Sequence[Image], size: int, shorter: int, moments: tuple[tuple[float, ...], tuple[float, ...]]
) -> torch.Tensor:
    """float32 [N, 3, size, size]: the shorter side becomes `shorter` (bicubic), the middle is cut out, normalised."""
    import numpy as np
    import torch
    from PIL import Image as Images

    rows = []
    for image in images:
        scale = shorter / min(image.size)
        wide = image.convert("RGB").resize(
            (max(size, round(image.width * scale)), max(size, round(image.height * scale))), Images.Resampling.BICUBIC
        )
        left, top = (wide.width - size) // 2, (wide.height - size) // 2
        cut = wide.crop((left, top, left + size, top + size))
        rows.append(torch.from_numpy(np.array(cut, dtype=np.uint8)).permute(2, 0, 1).float().div_(255))
    mean, deviation = (torch.tensor(numbers).view(3, 1, 1) for numbers in moments)
    return (torch.stack(rows) - mean) / deviation


def _each(pixels: torch.Tensor, answer: Any, size: int = 16) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        return torch.cat([answer(part).float() for part in torch.split(pixels, size)])


def _tensor(answer: Any) -> torch.Tensor:
    """transformers 5 wraps what its older releases returned as it is."""
    found: torch.Tensor = getattr(answer, "pooler_output", answer)
    return found


def _moments(
    folder: Path, default: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return default
    content = json.loads(path.read_text(encoding="utf-8"))
    mean, deviation = content.get("image_mean"), content.get("image_std")
    return (tuple(mean), tuple(deviation)) if mean and deviation else default


def _whole(make: Any, folder: Path, **options: Any) -> Any:
    """The network. What its files do not hold would be random numbers, and so would every score."""
    network, report = make.from_pretrained(folder, local_files_only=True, output_loading_info=True, **options)
    if report["missing_keys"]:
        raise ValueError(f"the weight {min(report['missing_keys'])} is missing")
    return network


def _loaded(folder: Path, load: Any) -> Any:
    try:
        found = load()
    except Exception as error:  # another network's config has its own ways to fail
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TrainerError(
            mismatch(
                "encoder-not-loadable",
                f"The encoder in {folder} cannot be used.",
                "a folder with config.json and weights",
                said[:200],
                "hf download facebook/dino-vits16 --local-dir dino, "
                "hf download openai/clip-vit-base-patch32 --local-dir clip",
            )
        ) from error
    return found.eval() if hasattr(found, "eval") else found
