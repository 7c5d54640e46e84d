"""A small picture classifier that says how alike two pictures of the demo's world are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).with_name("judge.safetensors")
WIDTHS = (24, 48, 96, 128)
"""Channels after each halving of the 64-pixel picture."""
FEATURES = 128
"""Length of the feature vector."""


def build(things: int, classes: int) -> Any:
    """An untrained judge: a trunk that makes features, and one linear head each for the thing and its class."""
    from torch import nn

    layers: list[Any] = []
    before = 3
    for width in WIDTHS:
        for inside, stride in ((before, 2), (width, 1)):
            layers += [nn.Conv2d(inside, width, 3, stride, 1), nn.GroupNorm(8, width), nn.SiLU()]
        before = width
    trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * before, FEATURES))
    return nn.ModuleDict({"trunk": trunk, "thing": nn.Linear(FEATURES, things), "class": nn.Linear(FEATURES, classes)})


def shrink(images: Any) -> Any:
    """(N, 3, S, S) to (N, 3, 64, 64) by averaging areas: the scale at which the judge looks."""
    from torch.nn import functional

    return functional.interpolate(images, size=(64, 64), mode="area")


def load() -> Any:
    """The trained judge in float32, ready to be asked. Raises FileNotFoundError when the weights are missing."""
    from safetensors.torch import load_file

    weights = {name: tensor.float() for name, tensor in load_file(WEIGHTS).items()}
    judge = build(weights["thing.weight"].shape[0], weights["class.weight"].shape[0])
    judge.load_state_dict(weights)
    return judge.eval()


def features(images: Any, judge: Any | None = None) -> Any:
    """Features of pictures: (N, 3, 128, 128) float in [0, 1] to (N, 128) float32, each row of length 1.

    The dot product of two rows is the cosine similarity of the two pictures: 1 for the same, about 0 for unrelated.
    """
    import torch
    from torch.nn import functional

    judge = judge or load()
    with torch.inference_mode():
        return functional.normalize(judge["trunk"](shrink(images.float()) * 2 - 1), dim=1)
