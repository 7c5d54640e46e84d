"""The layers of a family's model under both of their names: kohya's flat ones and diffusers' dotted ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dreamboot_trainer.convert import clip_text, unet
from dreamboot_trainer.convert.families import Family

Configs = Mapping[str, Mapping[str, Any]]

_OPENCLIP_LAYERS = 32
"""Blocks of the largest text encoder (SDXL's second); names for more blocks than a model has do no harm."""


@dataclass(frozen=True)
class Layer:
    """One layer: `diffusers` is component.module.path, `kohya` the name to write, `also` others that are read."""

    diffusers: str
    kohya: str
    also: tuple[str, ...] = ()


def layers(family: Family, configs: Configs) -> tuple[Layer, ...]:
    """Every layer of the family's model that a LoRA may change.

    kohya's trainer (kohya-ss/sd-scripts, networks/lora.py) names SD 1.x and 2.x layers after diffusers' modules, and
    SDXL's after those of the original UNet. Both forms are read for every family, as ComfyUI and the web UI do.
    """
    return (*_unet(family, configs["unet"]), *text_layers(two=family.name == "sdxl"))


def canonical(name: str) -> str:
    """A diffusers LoRA tensor name of any age in today's form: component.module.lora_A.weight and so on.

    Text encoder modules get the `text_model.` that transformers 5 leaves out.
    """
    for pattern, form in _OLD_FORMS:
        name = pattern.sub(form, name)
    if name.startswith(_PEFT):  # a file that peft itself saved: one model, without its component's name
        module = clip_text.canonical(name.removeprefix(_PEFT))
        return f"{'text_encoder' if module.startswith(clip_text.ROOT) else 'unet'}.{module}"
    component, _, rest = name.partition(".")
    return f"{component}.{clip_text.canonical(rest)}" if component.startswith("text_encoder") else name


_PEFT = "base_model.model."
_WAYS = {"down": "lora_A", "up": "lora_B"}
_ATTENTION = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
_OLD_FORMS = (
    # attention processors (diffusers < 0.19), in the UNet and in text encoders
    (re.compile(r"\.processor\.to_out_lora\.(down|up)\."), lambda m: f".to_out.0.{_WAYS[m[1]]}."),
    (re.compile(r"\.processor\.(to_[qkv])_lora\.(down|up)\."), lambda m: f".{m[1]}.{_WAYS[m[2]]}."),
    (re.compile(r"\.self_attn\.(to_\w+)_lora\.(down|up)\."), lambda m: f".self_attn.{_ATTENTION[m[1]]}.{_WAYS[m[2]]}."),
    # layers with a LoRA inside (diffusers < 0.24)
    (re.compile(r"\.lora(?:_linear_layer)?\.(down|up)\."), lambda m: f".{_WAYS[m[1]]}."),
    (re.compile(r"\.lora_magnitude_vector\.weight$"), ".lora_magnitude_vector"),
)


def _unet(family: Family, config: Mapping[str, Any]) -> Iterator[Layer]:
    for pair in unet.pairs(config):
        if not pair.original.endswith(".weight") or len(pair.shape) < 2:
            continue
        module = pair.diffusers[0].removesuffix(".weight")
        new, old = (_flat("lora_unet", name) for name in (module, pair.original.removesuffix(".weight")))
        kohya, other = (old, new) if family.name == "sdxl" else (new, old)
        yield Layer(f"unet.{module}", kohya, (other,))


def text_layers(*, two: bool, numbered: bool = False) -> Iterator[Layer]:
    """The layers of one CLIP, or of `two`. `numbered`: the only one is te1 too (FLUX.1)."""
    two_names = two or numbered
    prefixes: dict[str, tuple[str, ...]] = {
        "text_encoder": ("lora_te1", "lora_te") if two_names else ("lora_te", "lora_te1")
    }
    if two:
        prefixes["text_encoder_2"] = ("lora_te2",)
    sizes = {"hidden_size": 1, "intermediate_size": 1, "num_hidden_layers": _OPENCLIP_LAYERS}
    modules = [
        pair.diffusers[0].removesuffix(".weight")
        for pair in clip_text.pairs(sizes)
        if pair.diffusers[0].endswith(".weight") and ("self_attn" in pair.diffusers[0] or "mlp" in pair.diffusers[0])
    ]
    for folder, (first, *others) in prefixes.items():
        for module in modules:
            yield Layer(f"{folder}.{module}", _flat(first, module), tuple(_flat(other, module) for other in others))


def _flat(prefix: str, module: str) -> str:
    return f"{prefix}_{module.replace('.', '_')}"
