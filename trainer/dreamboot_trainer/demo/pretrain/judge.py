"""Training of the judge: which emoji is it, and of which class, seen through blur, noise and colour shifts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.demo import judge
from dreamboot_trainer.demo.pretrain import data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCALE = 16.0
"""Sharpness of the softmax over cosines: features are normalised, so that the cosine is what is trained."""


def logits(model: Any, pictures: Any) -> tuple[Any, Any]:
    """Scores of (B, 3, 64, 64) pictures in [-1, 1] for things (B, N) and classes (B, C): scaled cosines."""
    from torch.nn import functional

    found = functional.normalize(model["trunk"](pictures), dim=1)
    return tuple(SCALE * found @ functional.normalize(model[head].weight, dim=1).T for head in ("thing", "class"))  # type: ignore[return-value]


def disturb(pictures: Any) -> Any:
    """What generated pictures suffer from: blur, noise, other brightness and contrast. (B, 3, 64, 64), same shape."""
    import torch
    from torch.nn import functional

    batch = len(pictures)
    small = functional.interpolate(
        functional.interpolate(pictures, size=(28, 28), mode="area"), size=(64, 64), mode="bilinear"
    )
    pictures = torch.lerp(pictures, small, torch.rand(batch, 1, 1, 1))
    contrast, light = 0.8 + 0.4 * torch.rand(batch, 1, 1, 1), 0.2 * torch.randn(batch, 1, 1, 1)
    return pictures * contrast + light + 0.1 * torch.rand(batch, 1, 1, 1) * torch.randn_like(pictures)


def train(views: NDArray[np.uint8], folder: Path, minutes: float, batch: int = 64, seed: int = 0) -> float:
    """Train on (N, K, 128, 128, 3) views, the last of each thing kept aside; the share of those named rightly.

    Writes `judge.safetensors` (float16) into `folder`.
    """
    import math

    import numpy as np
    import torch
    from safetensors.torch import save_file
    from torch.nn import functional

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    small, kinds, classes = _small(views), *_kinds()
    model = judge.build(len(views), classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2, fused=True)
    start = time.time()
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        rows, which = rng.integers(len(views), size=batch), rng.integers(views.shape[1] - 1, size=batch)
        thing, kind = logits(model, disturb(data.as_tensor(small[rows, which])))
        target = torch.from_numpy(rows)
        loss: Any = functional.cross_entropy(thing, target) + functional.cross_entropy(kind, kinds[target])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    half = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(half, folder / "judge.safetensors")
    with torch.inference_mode():
        named = logits(model, data.as_tensor(small[:, -1]))[0].argmax(1)
    return float((named == torch.arange(len(views))).float().mean())


def _small(views: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Views at half the side, 64 pixels, by averaging 2x2."""
    import numpy as np

    things, each, side = views.shape[:3]
    small = np.empty((things, each, side // 2, side // 2, 3), np.uint8)
    for row in range(things):
        blocks = views[row].reshape(each, side // 2, 2, side // 2, 2, 3)
        small[row] = blocks.mean((2, 4)).round().astype(np.uint8)
    return small


def _kinds() -> tuple[Any, int]:
    """The class number of every thing, int64 (N,), and how many classes there are."""
    import torch

    names = [thing.classes[0] for thing in data.things()]
    order = sorted(set(names))
    return torch.tensor([order.index(name) for name in names]), len(order)
