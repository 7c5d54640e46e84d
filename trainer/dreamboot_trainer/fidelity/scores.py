"""The metrics of the DreamBooth paper (Ruiz et al. 2022, sections 4.1 and 4.3) from features, and one number of them.

Features are rows of length 1, so that a dot product is a cosine.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Role(enum.Enum):
    """What a metric says. LEAK is better when it is low, the others when they are high."""

    SUBJECT = "likeness of the subject"
    PROMPT = "truth to the prompt"
    LEAK = "class that turned into the subject"
    VARIETY = "difference between pictures of one prompt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One metric of one model. `real`: what the photos themselves reach; None where that means nothing."""

    name: str
    role: Role
    value: float
    real: float | None = None


def likeness(pictures: torch.Tensor, photos: torch.Tensor) -> float:
    """Mean cosine over all pairs of a picture [N, D] and a photo [M, D]: DINO, CLIP-I, and PRES for class pictures."""
    return float((pictures @ photos.T).mean())


def between(features: torch.Tensor) -> float:
    """Mean cosine over all pairs of different rows; 1 where there is only one."""
    count = len(features)
    if count < 2:
        return 1.0
    products = features @ features.T
    return float((products.sum() - products.diagonal().sum()) / (count * (count - 1)))


def truth(pictures: torch.Tensor, texts: torch.Tensor) -> float:
    """CLIP-T: mean cosine of each picture [N, D] with its own prompt's text [N, D]."""
    return float((pictures * texts).sum(1).mean())


def balance(model: Sequence[Score], base: Sequence[Score]) -> float:
    """0 .. 1: the harmonic mean of what was learnt and of what was kept, both counted from the base model.

    Learnt: how much of the way from the base's likeness to that of real photos was gone. Kept: prompt and variety as
    a share of the base's, and the way that the class did NOT go towards the subject. A model that learnt nothing has 0,
    and so has one whose class became the subject and that draws one picture for every prompt. Overfitting, the
    commonest complaint, is where learning stands still and keeping falls.
    """
    start = {score.name: score.value for score in base}
    learnt = [_way(score, start) for score in model if score.role is Role.SUBJECT]
    kept = [1 - _way(score, start) for score in model if score.role is Role.LEAK]
    kept += [_share(score, start) for score in model if score.role in (Role.PROMPT, Role.VARIETY)]
    one, other = _mean(learnt), _mean(kept) if kept else 1.0
    return 2 * one * other / (one + other) if one + other else 0.0


def best(balances: Mapping[int, float]) -> int:
    """The step with the highest balance; of equals the earliest."""
    return max(sorted(balances), key=lambda step: balances[step])


def _way(score: Score, start: Mapping[str, float]) -> float:
    """How much of the way from the base's value to that of real photos was gone, 0 .. 1."""
    whole = (score.real if score.real is not None else 1.0) - start[score.name]
    return _clipped((score.value - start[score.name]) / whole) if whole > 0 else 1.0


def _share(score: Score, start: Mapping[str, float]) -> float:
    return _clipped(score.value / start[score.name]) if start[score.name] > 0 else 1.0


def _clipped(number: float) -> float:
    return min(1.0, max(0.0, number))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
