"""What a run has loaded: each network in its format, on the device or away, as pipeline.py holds and moves them."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch

from dreamboot_trainer.families import Family, TextParts, families
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED
from dreamboot_trainer.families.t5 import NoT5
from dreamboot_trainer.methods.lora import TEXT_TARGETS
from dreamboot_trainer.predict import networks
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.trace import Recorder

Settings = Mapping[str, Any]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "no": torch.float32}
TOKENS = 77
WORDS: Mapping[str, int] = {"sd3": TOKENS + 256, "flux": 512}
"""Words that the transformers see: CLIP's and T5's, or T5's alone (families/sd3/text.py, families/flux/text.py)."""


class Loaded:
    """The networks of a run, at first all away. To be made and used within `as_on_cuda`.

    `encoders`: text encoders that may be trained, by name, in fp32; `large`: those that never are (T5), in bf16 where
    the run has fp16 (pipeline.load).
    """

    def __init__(self, request: Request, configs: Mapping[str, Settings], recorder: Recorder) -> None:
        self.request, self.configs, self.recorder = request, configs, recorder
        self.family: Family = next(family for family in families() if family.name == request.family)
        lora = request.method == "lora"
        base = DTYPES[request.mixed_precision] if lora else torch.float32
        self.denoiser = networks.denoiser(configs, self.family.denoiser, base, request.base)
        # T5 overflows in fp16 (pipeline.load).
        self.wide = torch.bfloat16 if base is torch.float16 else base
        self.encoders: dict[str, Any] = {}
        self.large: dict[str, Any] = {}
        kinds = {component.name: component.classes[0] for component in self.family.components if component.classes}
        for name in self.family.text_encoders:
            if name not in configs:
                continue
            if name in self.family.never_trained:
                self.large[name] = networks.text_encoder(kinds[name], configs[name], self.wide, request.base)
            else:
                self.encoders[name] = networks.text_encoder(kinds[name], configs[name], torch.float32)
        self.vae = networks.vae(configs["vae"])

    def attach(self) -> tuple[Any, ...]:
        """Make the weights that are trained, as methods/ do; the text encoders among them."""
        request = self.request
        encoders = tuple(self.encoders.values()) if request.text_encoder else ()
        if request.method == "lora":
            adapter = networks.Adapter(rank=request.rank, dora=request.dora, dropout=request.dropout)
            networks.adapt(self.denoiser, adapter, request.targets or self.family.lora_targets)
            for encoder in encoders:
                networks.adapt(encoder, adapter, TEXT_TARGETS)
        else:
            for module in (self.denoiser, *encoders):
                module.requires_grad_(requires_grad=True)
        return encoders

    def place(self, *modules: Any) -> None:
        """Put modules that are away on the device."""
        with self.recorder.labelled("weights"):
            for module in modules:
                if is_away(module):
                    module.to_empty(device="cpu")

    @property
    def words(self) -> int:
        """Length of the prompts that the denoiser sees."""
        return self.request.words or WORDS.get(self.request.family, TOKENS)

    @property
    def latents(self) -> tuple[int, int, int]:
        """Channels, height and width that the denoiser takes."""
        side = self.request.resolution // 2 ** (len(self.configs["vae"]["block_out_channels"]) - 1)
        return self.configs[self.family.denoiser]["in_channels"] // self.family.packing, side, side

    def text(self, prompts: int) -> dict[str, Any]:
        """What text encoders that stay as they are made of so many prompts: `hidden`, and `pooled` where it is used."""
        config = self.configs[self.family.denoiser]
        wide = config.get("joint_attention_dim") or config["cross_attention_dim"]
        # FLUX.1's words are T5's as they are, SD 3's stand beside the CLIPs' in their format.
        made = self.wide if self.family.never_trained and self._clips == 1 else torch.float32
        found = {HIDDEN: torch.empty(prompts, self.words, wide, dtype=made)}
        if config.get("addition_embed_type") == "text_time":
            pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
            found[POOLED] = torch.randn(prompts, pooled)
        elif "pooled_projection_dim" in config:
            found[POOLED] = torch.randn(prompts, config["pooled_projection_dim"])
        return found

    def tokens(self, prompts: int) -> dict[str, Any]:
        """What text encoders that are trained are given: token ids, and what T5 made of the prompts."""
        config = self.configs[self.family.denoiser]
        stand_ins = [NoT5(config["joint_attention_dim"]) for _ in self.family.never_trained]
        length = max(1, self.words - TOKENS * (self._clips > 1))  # SD 3's words begin with the CLIPs'
        tokenizers = [_Blank(TOKENS)] * len(self.encoders) + [_Blank(length)] * len(stand_ins)
        parts = TextParts(tuple(tokenizers), (*self.encoders.values(), *stand_ins))
        found = self.family.text.tokens(parts, [""] * prompts)
        rows = self.family.text.settled(parts.encoders, found)
        return {name: row.to(self.wide) if row.is_floating_point() else row for name, row in rows.items()}

    @property
    def _clips(self) -> int:
        return len(self.family.text_encoders) - len(self.family.never_trained)


class _Blank:
    """Stands for a tokenizer: prompts of its full length, of which only the shape counts."""

    def __init__(self, length: int) -> None:
        self.model_max_length = length

    def __call__(self, prompts: list[str], *, max_length: int, **_: Any) -> Any:
        return SimpleNamespace(input_ids=torch.zeros(len(prompts), max_length, dtype=torch.int64))


def is_away(module: Any) -> bool:
    """Whether a network holds nothing on the device."""
    return bool(next(module.parameters()).device.type == "meta")


def put_away(*modules: Any) -> None:
    """Take networks off the device."""
    for module in modules:
        module.to_empty(device="meta")
