"""The tokenizer of a diffusers folder: no checkpoint holds one, so it comes from elsewhere, and must fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dreamboot_trainer.convert.catalogue import read_json
from dreamboot_trainer.convert.families import Family
from dreamboot_trainer.convert.faults import no_tokenizer

PADDING: Final = {
    ("sd1", "tokenizer"): "<|endoftext|>",
    ("sd2", "tokenizer"): "!",
    ("sdxl", "tokenizer"): "<|endoftext|>",
    ("sdxl", "tokenizer_2"): "!",
}
"""Padding token by family and folder: OpenCLIP pads with token 0, which is "!" in CLIP's vocabulary."""

_DEMO: Final = Path(__file__).parent.parent / "demo" / "model" / "tokenizer"
_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)


def find(
    family: Family, text_encoder: Mapping[str, Any], config_dir: Path | None, tokenizer_dir: Path | None
) -> dict[str, tuple[Path, str | None]]:
    """For each tokenizer folder that the family has: the folder to copy, and the padding token to set in the copy.

    Those in `config_dir` are copied as they are. `tokenizer_dir`, and the demo model's if it has as many tokens as the
    text encoder, serve for every family, since all use CLIP's vocabulary and differ only in padding. TrainerError when
    there is none.
    """
    source = Path(tokenizer_dir) if tokenizer_dir is not None else None
    if source is None and config_dir is not None:
        places = {name: Path(config_dir) / name for name in family.tokenizers}
        if all(size(place) is not None for place in places.values()):
            return {name: (place, None) for name, place in places.items()}
    if source is None:
        source = _demo(text_encoder.get("vocab_size"))
    elif size(source) is None:
        raise no_tokenizer(f"none in {source}")
    return {name: (source, PADDING[family.name, name]) for name in family.tokenizers}


def _demo(wanted: object) -> Path:
    found = size(_DEMO)
    if found is None or found != wanted:
        raise no_tokenizer(f"{found or 'no'} tokens for the encoder's {wanted}")
    return _DEMO


def size(folder: Path) -> int | None:
    """Number of tokens of the tokenizer in `folder`; None when there is none."""
    if (folder / "tokenizer.json").is_file():
        content = read_json(folder / "tokenizer.json")
        tokens = set(content.get("model", {}).get("vocab", {}))
        return len(tokens | {token["content"] for token in content.get("added_tokens", [])})
    if (folder / "vocab.json").is_file():
        return len(read_json(folder / "vocab.json"))
    return None


def copy(folder: Path, out: Path, padding: str | None) -> None:
    """Copy the tokenizer's files; set the padding token to `padding`, if given and in the vocabulary."""
    out.mkdir()
    for name in _FILES:
        if (folder / name).is_file():
            (out / name).write_bytes((folder / name).read_bytes())
    if padding is None or not _knows(folder, padding):
        return
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (out / name).is_file():
            content = read_json(out / name)
            if content.get("pad_token") is not None:
                content["pad_token"] = padding
                (out / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _knows(folder: Path, token: str) -> bool:
    name = "tokenizer.json" if (folder / "tokenizer.json").is_file() else "vocab.json"
    content = read_json(folder / name)
    vocabulary = content.get("model", {}).get("vocab", {}) if name == "tokenizer.json" else content
    return token in vocabulary
