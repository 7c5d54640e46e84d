"""What a LoRA file of SD 3.x or FLUX.1 becomes: the transformer's layers joined or taken apart, the CLIPs' renamed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from dreamboot_trainer.convert.faults import unknown_lora_layers
from dreamboot_trainer.convert.lora.adapter import METADATA_KEY, Adapter, from_diffusers, from_kohya, metadata
from dreamboot_trainer.convert.lora.fused import Matrix, fuse, split
from dreamboot_trainer.convert.lora.names import text_layers
from dreamboot_trainer.convert.numbers import cast, wanted
from dreamboot_trainer.convert.planned import Planned, whole
from dreamboot_trainer.convert.sources import Source

_NETWORKS = {"sd3": "networks.lora_sd3", "flux": "networks.lora_flux"}


def planned(source: Source, kind: str, family: str, wish: str) -> tuple[list[Planned], dict[str, str], list[str]]:
    """The tensors, metadata and notes of the other form of a file that is of `kind` (kohya or diffusers)."""
    adapters, rest = from_diffusers(source) if kind == "diffusers" else from_kohya(source)
    words = {
        (layer.diffusers if kind == "diffusers" else name): (layer.kohya if kind == "diffusers" else layer.diffusers)
        for layer in text_layers(two=family == "sd3", numbered=True)
        for name in (layer.kohya, *layer.also)
    }
    if rest:
        raise unknown_lora_layers(source.path, sorted(rest))
    mine = {name: adapter for name, adapter in adapters.items() if name not in words}
    turn = fuse if kind == "diffusers" else split
    found: dict[str, Matrix | Adapter] = dict(turn(source.path, family, mine))
    found |= {words[name]: adapter for name, adapter in adapters.items() if name in words}
    if kind == "diffusers":
        return _kohya(found, wish), {"ss_network_module": _NETWORKS[family]}, []
    tensors = [each for name, one in found.items() for each in _pair(one, wish, f"{name}.lora_A", f"{name}.lora_B")]
    return tensors, {"format": "pt", METADATA_KEY: metadata(found)}, []


def _kohya(found: Mapping[str, Matrix | Adapter], wish: str) -> list[Planned]:
    tensors: list[Planned] = []
    for name, one in found.items():
        tensors += _pair(one, wish, f"{name}.lora_down", f"{name}.lora_up")
        tensors.append(Planned(f"{name}.alpha", "F32", (), constant=struct.pack("<f", one.alpha)))
    return tensors


def _pair(one: Matrix | Adapter, wish: str, down: str, up: str) -> Iterator[Planned]:
    if isinstance(one, Matrix):
        for name, content, shape in ((down, one.down, one.shapes[0]), (up, one.up, one.shapes[1])):
            dtype = wanted(one.dtype, wish)
            yield Planned(f"{name}.weight", dtype, shape, constant=bytes(cast(content, one.dtype, dtype, name)))
    else:
        for name, place in ((down, one.down), (up, one.up)):
            pieces = (whole(place.source, place.name),)
            yield Planned(f"{name}.weight", wanted(place.info.dtype, wish), place.info.shape, pieces)
