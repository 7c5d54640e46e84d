"""A LoRA file's content, whichever names it has: per layer the two matrices, the strength, the DoRA magnitude."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamboot_trainer.convert.catalogue import Located, read_json
from dreamboot_trainer.convert.faults import unreadable
from dreamboot_trainer.convert.lora.names import canonical
from dreamboot_trainer.convert.numbers import cast
from dreamboot_trainer.convert.sources import Source

METADATA_KEY = "lora_adapter_metadata"
"""Where diffusers >= 0.34 keeps peft's LoraConfig, as JSON with component.key entries (loaders/lora_base.py)."""

PEFT_FILE, PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"
"""What peft's own save_pretrained writes."""

KOHYA_PARTS = {"lora_down.weight": "down", "lora_up.weight": "up", "dora_scale": "magnitude", "alpha": "alpha"}
DIFFUSERS_PARTS = {"lora_A.weight": "down", "lora_B.weight": "up", "lora_magnitude_vector": "magnitude"}


@dataclass(frozen=True)
class Adapter:
    """One layer's LoRA. The change to the weight is `up` x `down` x `alpha` / rank; the rank is down's first size."""

    down: Located
    up: Located
    alpha: float
    magnitude: Located | None = None

    @property
    def rank(self) -> int:
        """The inner size of the two matrices."""
        return self.down.info.shape[0]


def from_kohya(source: Source) -> tuple[dict[str, Adapter], list[str]]:
    """Flat layer name -> adapter, and the names of tensors that belong to none."""
    layers: dict[str, dict[str, Located]] = {}
    rest: list[str] = []
    for name in source.tensors:
        layer, _, part = name.partition(".")
        if part in KOHYA_PARTS:
            layers.setdefault(layer, {})[KOHYA_PARTS[part]] = Located(source, name)
        else:
            rest.append(name)
    return _adapters(layers, rest, {name: _number(parts.get("alpha")) for name, parts in layers.items()})


def from_diffusers(source: Source) -> tuple[dict[str, Adapter], list[str]]:
    """Dotted layer name -> adapter, and the names of tensors that belong to none."""
    layers: dict[str, dict[str, Located]] = {}
    rest: list[str] = []
    for name in source.tensors:
        full = canonical(name)
        end = next((end for end in DIFFUSERS_PARTS if full.endswith(f".{end}")), None)
        if end is None:
            rest.append(name)
        else:
            layers.setdefault(full.removesuffix(f".{end}"), {})[DIFFUSERS_PARTS[end]] = Located(source, name)
    config = _peft_config(source)
    return _adapters(layers, rest, {name: _alpha(config, name) for name in layers})


def metadata(adapters: Mapping[str, Any]) -> str:
    """peft's configuration for these layers (dotted names), in diffusers' form.

    `adapters`: name -> Adapter, or anything else with its `rank`, `alpha` and `magnitude`.
    """
    entries: dict[str, Any] = {}
    for component in sorted({name.partition(".")[0] for name in adapters}):
        own = {_module(name): a for name, a in sorted(adapters.items()) if name.partition(".")[0] == component}
        rank, alpha = _commonest([a.rank for a in own.values()]), _commonest([a.alpha for a in own.values()])
        config = {
            "r": rank,
            "lora_alpha": alpha,
            "rank_pattern": {name: a.rank for name, a in own.items() if a.rank != rank},
            "alpha_pattern": {name: a.alpha for name, a in own.items() if a.alpha != alpha},
            "target_modules": sorted(own),
            "use_dora": any(a.magnitude is not None for a in own.values()),
            "lora_bias": False,
        }
        entries |= {f"{component}.{key}": value for key, value in config.items()}
    return json.dumps(entries, sort_keys=True)


def _adapters(
    layers: Mapping[str, Mapping[str, Located]], rest: list[str], alphas: Mapping[str, float | None]
) -> tuple[dict[str, Adapter], list[str]]:
    found: dict[str, Adapter] = {}
    for name, parts in layers.items():
        if "down" not in parts or "up" not in parts:
            rest += [place.name for place in parts.values()]
            continue
        alpha = alphas[name]  # without one, every reader takes the rank: the change is then up x down
        rank = parts["down"].info.shape[0]
        found[name] = Adapter(parts["down"], parts["up"], rank if alpha is None else alpha, parts.get("magnitude"))
    return found, rest


def _number(place: Located | None) -> float | None:
    if place is None or place.info.nbytes == 0:
        return None
    raw = b"".join(bytes(chunk) for chunk in place.source.chunks(place.name, 0, place.info.nbytes))
    if place.info.dtype.startswith(("I", "U")):
        return float(int.from_bytes(raw, "little", signed=place.info.dtype.startswith("I")))
    return float(memoryview(bytes(cast(raw, place.info.dtype, "F64", place.name))).cast("d")[0])


def _peft_config(source: Source) -> dict[str, Any]:
    """peft's settings under component.key names: from diffusers' metadata, or adapter_config.json beside the file."""
    text, beside = source.metadata.get(METADATA_KEY), source.path.parent / PEFT_CONFIG
    if text is None and source.path.name == PEFT_FILE and beside.is_file():
        settings = read_json(beside)
        return {f"{part}.{key}": value for part in ("unet", "text_encoder") for key, value in settings.items()}
    try:
        config = json.loads(text or "{}")
    except ValueError as error:
        raise unreadable(source.path, f"damaged metadata under {METADATA_KEY}: {error}") from error
    return config if isinstance(config, dict) else {}


def _alpha(config: Mapping[str, Any], name: str) -> float | None:
    """The layer's alpha as peft finds it: the first pattern that its name ends in, else the component's."""
    component, _, module = name.partition(".")
    for pattern, value in (config.get(f"{component}.alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    value = config.get(f"{component}.lora_alpha")
    return None if value is None else float(value)


def _module(name: str) -> str:
    """The module without its component, and without the `text_model.` that not every transformers has."""
    return name.partition(".")[2].removeprefix("text_model.")


def _commonest(values: list[Any]) -> Any:
    return max(sorted(set(values)), key=values.count)
