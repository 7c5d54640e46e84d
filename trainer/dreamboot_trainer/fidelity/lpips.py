"""LPIPS (Zhang et al. 2018): how different two pictures look, from a VGG16's features. The paper's DIV is its mean.

Needs two files: torchvision's VGG16 weights (`features.0.weight` and so on) and the 1 x 1 weights that the authors
fitted to people's answers (`lin0.model.1.weight` to `lin4`, in the package lpips as weights/v0.1/vgg.pth).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_BLOCKS = (2, 2, 3, 3, 3)
"""Convolutions of VGG16 between poolings; LPIPS looks after the last one of each block (relu1_2 .. relu5_3)."""
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's moments for pixels in -1..1, rounded as the authors have them."""
_TINY = 1e-10
_CONV = re.compile(r"features\.(\d+)\.weight$")


@dataclass(slots=True)
class Lpips:
    """`convolutions`: weight and bias of each layer in order. `lines`: one weight per channel of each block's end."""

    convolutions: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    lines: tuple[torch.Tensor, ...]

    def layers(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Features of pixels [N, 3, H, W] in -1..1 after each block, of length 1 over the channels at each place."""
        import torch
        from torch.nn import functional

        shift, scale = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (_SHIFT, _SCALE))
        values, found, remaining = (pixels - shift) / scale, [], list(self.convolutions)
        for block, count in enumerate(_BLOCKS):
            if block:
                values = functional.max_pool2d(values, 2)
            for weight, bias in (remaining.pop(0) for _ in range(count)):
                values = functional.relu(functional.conv2d(values, weight, bias, padding=1))
            found.append(values / (values.square().sum(1, keepdim=True).sqrt() + _TINY))
        return found

    def distances(self, pixels: torch.Tensor) -> list[float]:
        """LPIPS of every pair of the pictures [N, 3, H, W]."""
        import torch

        with torch.inference_mode():
            layers = self.layers(pixels)
            found = []
            for one, other in combinations(range(len(pixels)), 2):
                parts = (
                    ((layer[one] - layer[other]).square() * line.view(-1, 1, 1)).sum(0).mean()
                    for layer, line in zip(layers, self.lines, strict=True)
                )
                found.append(float(sum(parts)))
        return found


def variety(lpips: Lpips, groups: Sequence[Sequence[Image]]) -> float:
    """DIV: mean LPIPS over the pairs of pictures of one prompt, over all prompts."""
    import torch

    from dreamboot_trainer.fidelity.encoders import prepared

    found: list[float] = []
    for images in groups:
        side = min(images[0].size)
        pixels = prepared(images, side, side, ((0.5,) * 3, (0.5,) * 3))
        found += lpips.distances(pixels)
    return float(torch.tensor(found).mean()) if found else 0.0


def load_lpips(folder: Path) -> Lpips:
    """Both files from a folder, known by what is in them. TrainerError where one is missing."""
    backbone: Mapping[str, torch.Tensor] = {}
    fitted: Mapping[str, torch.Tensor] = {}
    files = [path for path in sorted(folder.glob("*")) if path.suffix in {".pth", ".pt", ".bin", ".safetensors"}]
    for path in files:
        tensors = _read(path)
        if "features.0.weight" in tensors:
            backbone = tensors
        if any(name.startswith("lin0.") for name in tensors):
            fitted = tensors
    if not backbone or not fitted:
        raise TrainerError(
            mismatch(
                "lpips-missing",
                f"{folder} does not hold LPIPS.",
                "VGG16's weights of torchvision, and weights/v0.1/vgg.pth of the package lpips",
                ", ".join(path.name for path in files) or "no weights",
                "Leave out --lpips: the other metrics do not need it.",
            )
        )
    numbers = sorted(int(match[1]) for name in backbone if (match := _CONV.match(name)))
    layers = [(backbone[f"features.{n}.weight"].float(), backbone[f"features.{n}.bias"].float()) for n in numbers]
    lines = [
        next(tensor for name, tensor in fitted.items() if name.startswith(f"lin{i}.")) for i in range(len(_BLOCKS))
    ]
    return Lpips(tuple(layers), tuple(line.float().flatten() for line in lines))


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    found: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found
