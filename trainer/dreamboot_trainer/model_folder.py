"""Reading a diffusers folder without torch: its parts, their configs, and whether the weight files are whole."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from dreamboot_trainer import shell
from dreamboot_trainer.problems import Problem, TrainerError, mismatch

INDEX = "model_index.json"
SINGLE_FILES = frozenset({".safetensors", ".ckpt"})
_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
_LFS = b"version https://git-lfs"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """A diffusers folder: `parts` maps a component's name to its class name, `configs` to its config.json.

    `others`: components that are taken from a folder elsewhere.
    """

    path: Path
    class_name: str
    parts: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    others: Mapping[str, Path] = field(default_factory=dict)

    def part(self, name: str) -> Path:
        """The folder of one component."""
        return self.others.get(name, self.path / name)

    def config(self, name: str) -> Mapping[str, Any]:
        """config.json (or scheduler_config.json) of one component; empty where there is none."""
        return self.configs.get(name, {})

    @property
    def pixels_per_latent(self) -> int:
        """Pixels a side that the VAE makes one latent of: it halves between its widths (8 in published models)."""
        return int(2 ** (len(self.config("vae").get("block_out_channels", (1, 1, 1, 1))) - 1))


def read_folder(path: Path, others: Mapping[str, Path] | None = None) -> ModelFolder:
    """The folder's index and configs; TrainerError where it is not a diffusers folder."""
    others = others or {}
    index = path / INDEX
    if not path.is_dir():
        raise TrainerError(
            mismatch(
                "model-missing",
                f"There is no model at {path}.",
                "a diffusers folder",
                "a file" if path.is_file() else "no such folder",
                f"dreamboot convert {shell.quoted(path)} FOLDER" if path.is_file() else shell.look(path.parent),
            )
        )
    if not index.is_file():
        found = ", ".join(sorted(item.name for item in path.iterdir())[:8]) or "an empty folder"
        raise TrainerError(
            mismatch("model-no-index", f"{path} is not a diffusers model folder.", INDEX, found, _DOWNLOAD)
        )
    content = _json(index)
    parts = {
        name: value[1]
        for name, value in content.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str)
    }
    configs = {name: config for name in parts if (config := _config(others.get(name, path / name))) is not None}
    return ModelFolder(
        path=path, class_name=str(content.get("_class_name", "")), parts=parts, configs=configs, others=others
    )


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files of one component: safetensors before .bin, full precision before fp16, all shards of a set."""
    for ending in (".safetensors", ".bin"):
        for variant in ("", ".fp16"):
            for stem in _STEMS:
                whole = folder / f"{stem}{variant}{ending}"
                if whole.is_file():
                    return (whole,)
                for index in (
                    folder / f"{stem}{ending}.index{variant}.json",
                    folder / f"{stem}{variant}{ending}.index.json",
                ):
                    if index.is_file():
                        return tuple(folder / name for name in _shards(index))
    return ()


def _shards(index: Path) -> list[str]:
    """The names of the files that an index divides the weights among."""
    found = _json(index).get("weight_map", {})
    if isinstance(found, dict) and all(isinstance(name, str) for name in found.values()):
        return sorted(set(found.values()))
    raise TrainerError(
        mismatch(
            "model-json-unreadable",
            f"{index} cannot be read.",
            "a weight_map of file names",
            repr(found)[:80],
            _DOWNLOAD,
        )
    )


def tensor_shapes(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (format, shape) from a safetensors header; TrainerError where the file is cut off or no such file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_LFS))
        if start == _LFS:
            raise TrainerError(
                mismatch(
                    "model-lfs-pointer",
                    f"{path} is a Git LFS pointer, not the model.",
                    "weights",
                    f"{size} bytes of text",
                    f"git -C {path.parent} lfs pull",
                )
            )
        if size < 8:
            raise TrainerError(_truncated(path, "at least 8 bytes", f"{size}"))
        length = struct.unpack("<Q", start[:8])[0]
        if length > size - 8:
            raise TrainerError(_truncated(path, f"a header of {length} bytes", f"a file of {size} bytes"))
        file.seek(8)
        raw = file.read(length)
    try:
        header = {name: entry for name, entry in json.loads(raw).items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        shapes = {name: (str(entry["dtype"]), tuple(int(n) for n in entry["shape"])) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrainerError(
            _truncated(path, "a safetensors header", f"something else ({type(error).__name__})")
        ) from error
    if 8 + length + end != size:
        raise TrainerError(_truncated(path, f"{8 + length + end} bytes", f"{size} bytes"))
    return shapes


def count_parameters(folder: Path) -> int:
    """Number of weights of one component from its headers; .bin files count as four bytes per weight."""
    total = 0
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            total += sum(prod(shape) for _, shape in tensor_shapes(path).values())
        else:
            total += path.stat().st_size // 4
    return total


_DOWNLOAD = "hf download NAME --local-dir FOLDER, then name that FOLDER"


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(
            mismatch("model-json-unreadable", f"{path} cannot be read.", "a JSON file", str(error), _DOWNLOAD)
        ) from error
    if not isinstance(content, dict):
        raise TrainerError(
            mismatch(
                "model-json-unreadable", f"{path} cannot be read.", "a JSON object", type(content).__name__, _DOWNLOAD
            )
        )
    return content


def _config(folder: Path) -> dict[str, Any] | None:
    for name in ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            return _json(folder / name)
    return None


def _truncated(path: Path, expected: str, found: str) -> Problem:
    return mismatch(
        "model-file-truncated",
        f"{path} is not a whole safetensors file.",
        expected,
        found,
        f"Download it again: it is cut off or damaged ({path.name}).",
    )
