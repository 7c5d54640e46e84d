"""What is trained, as one module: one forward pass, so that data parallelism sees one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import Family


class Trainable(torch.nn.Module):
    """The denoiser, and the text encoders where they are trained too.

    `forward` then takes token ids in `text`; otherwise what a frozen encoder made of them.
    """

    def __init__(self, family: Family, denoiser: Any, encoders: Sequence[Any] = (), guidance: float = 1.0) -> None:
        super().__init__()
        self.family, self.guidance = family, guidance
        self.denoiser = denoiser
        self.encoders = torch.nn.ModuleList(encoders)

    def forward(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, text: Mapping[str, torch.Tensor], sizes: torch.Tensor
    ) -> torch.Tensor:
        """The denoiser's answer [B, C, h, w]."""
        rows = self.family.text.encode(tuple(self.encoders), text) if len(self.encoders) else text
        return self.family.denoise.predict(self.denoiser, noisy, timesteps, rows, sizes, self.guidance)

    def save_memory(self) -> None:
        """Gradient checkpointing: activations are computed again on the way back."""
        network: Any = self.denoiser
        network.enable_gradient_checkpointing()
        encoder: Any
        for encoder in self.encoders:
            # transformers 5.x renamed the method; its older releases have only the second name.
            newer = getattr(encoder, "activation_checkpointing_enable", None)
            (newer or encoder.gradient_checkpointing_enable)()

    def compile_network(self, backend: str) -> None:
        """torch.compile of the denoiser, in place: its weights keep their names."""
        network: Any = self.denoiser
        network.compile(backend=backend)

    def drop_text_gradients(self) -> None:
        """The text encoders learn nothing from this step: without a gradient, an optimizer leaves a weight alone."""
        for parameter in self.encoders.parameters():
            parameter.grad = None

    def groups(self, rate: float, text_rate: float) -> list[dict[str, Any]]:
        """The trained weights as parameter groups with their learning rates."""
        parts = ((self.denoiser, rate), (self.encoders, text_rate))
        found = ({"params": [p for p in part.parameters() if p.requires_grad], "lr": each} for part, each in parts)
        return [group for group in found if group["params"]]

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """Name -> parameter of everything that changes."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}
