"""Finding a model's tensors: in which open file, under which name, by their canonical names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamboot_trainer.convert.families import Component
from dreamboot_trainer.convert.faults import not_a_folder, unreadable
from dreamboot_trainer.convert.sources import Info, Source, open_source

EXTRAS_FILE = "original_extras.safetensors"
"""Beside model_index.json: tensors of the original file that a diffusers folder has no place for."""


@dataclass(frozen=True)
class Located:
    """One tensor: the file that holds it, and its name there."""

    source: Source
    name: str

    @property
    def info(self) -> Info:
        """Format and shape."""
        return self.source.tensors[self.name]


Catalogue = Mapping[str, Located]


def catalogue(sources: Iterable[Source], canonical: Callable[[str], str]) -> Catalogue:
    """Canonical name -> place, over all of `sources`."""
    return {canonical(name): Located(source, name) for source in sources for name in source.tensors}


def open_in(stack: ExitStack, path: Path) -> Source:
    """Open a model file until `stack` ends."""
    source = open_source(path)
    stack.callback(source.close)
    return source


def open_component(stack: ExitStack, model: Path, component: Component) -> Catalogue:
    """The tensors of one folder of a diffusers model: one file or several (shards), any of the usual names."""
    paths = component_files(model / component.folder, component.stem)
    return catalogue([open_in(stack, path) for path in paths], component.canonical_diffusers)


def component_files(folder: Path, stem: str) -> tuple[Path, ...]:
    """The weight files in `folder`. safetensors before .bin, full precision before the fp16 variant."""
    pickled = "pytorch_model" if stem == "model" else stem
    for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors", f"{pickled}.bin", f"{pickled}.fp16.bin"):
        if (folder / name).is_file():
            return (folder / name,)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return tuple(folder / shard for shard in _shards(index))
    raise not_a_folder(folder.parent, f"{folder.name}/{stem}.safetensors")


def _shards(index: Path) -> tuple[str, ...]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(
        isinstance(name, str) and Path(name).name == name for name in names.values()
    ):
        raise unreadable(index, "an index without a map of file names")
    return tuple(sorted(set(names.values())))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. TrainerError when it is missing or something else."""
    if not path.is_file():
        raise not_a_folder(path.parent.parent, f"{path.parent.name}/{path.name}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, str(error)) from error
    if not isinstance(content, dict):
        raise unreadable(path, "JSON, but no object")
    return content
