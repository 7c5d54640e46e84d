"""The T5 text encoder that SD 3.x and FLUX.1 share: 4.8 billion weights in the published models, never trained."""

from __future__ import annotations

from typing import Any

import torch
from transformers.models.t5.modeling_t5 import T5EncoderModel

from dreamboot_trainer.families.weights import guarded, owned, variant_of
from dreamboot_trainer.model_folder import ModelFolder


def t5(folder: ModelFolder, ending: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and frozen encoder of the parts whose names end so."""
    from transformers import AutoTokenizer

    place = folder.part(f"text_encoder{ending}")
    with guarded(place):
        tokenizer = AutoTokenizer.from_pretrained(folder.part(f"tokenizer{ending}"))
        make: Any = T5EncoderModel
        encoder, report = make.from_pretrained(
            place, torch_dtype=dtype, variant=variant_of(place), output_loading_info=True
        )
        if report["missing_keys"]:  # they are random numbers now
            raise ValueError(f"the weight {min(report['missing_keys'])} is missing")
        owned(encoder)
    return tokenizer, encoder.eval().requires_grad_(requires_grad=False)


def ids_of(tokenizer: Any, prompts: list[str], longest: int) -> torch.Tensor:
    """Token ids [B, L], padded and cut to `longest`, or to the tokenizer's own length where that is less."""
    length = int(min(tokenizer.model_max_length, longest))
    found = tokenizer(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    ids: torch.Tensor = found.input_ids
    return ids


def cut_off(tokenizer: Any, prompt: str, longest: int) -> int:
    """Tokens of the prompt that are cut off, 0 if it fits."""
    return max(0, len(tokenizer(prompt, truncation=False).input_ids) - int(min(tokenizer.model_max_length, longest)))


class NoT5(torch.nn.Module):
    """Takes the place of a T5 that the folder leaves out: zeros of its width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it is, as the other encoders say it."""
        place: Any = self.zero
        found: torch.device = place.device
        return found

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor]:
        """Zeros [B, L, width] for ids [B, L]."""
        return (torch.zeros(*ids.shape, self.width, device=ids.device),)
