"""A running average of the trained weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Average:
    """Follows `weights`; early steps count more, so that the start is forgotten soon (as in Polyak averaging)."""

    def __init__(self, weights: Mapping[str, torch.nn.Parameter], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self.shadow = {name: parameter.detach().clone() for name, parameter in weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step `step` (from 1)."""
        decay = min(self._decay, step / (step + 9))
        for name, parameter in self._weights.items():
            self.shadow[name].lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the weights are the averages; afterwards they are exactly what they were."""
        kept = {name: parameter.detach().clone() for name, parameter in self._weights.items()}
        self._copy(self.shadow)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, source: Mapping[str, torch.Tensor]) -> None:
        for name, parameter in self._weights.items():
            parameter.copy_(source[name])
