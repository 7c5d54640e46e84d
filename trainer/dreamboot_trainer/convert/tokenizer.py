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
) -> dict[str, Path]:
    """For each tokenizer folder that the family has, the folder to copy.

    A named one is taken as it is; the demo model's only when it has as many tokens as the text encoder. TrainerError
    when there is none.
    """
    if tokenizer_dir is not None:
        if size(Path(tokenizer_dir)) is None:
            raise no_tokenizer(f"none in {tokenizer_dir}")
        return dict.fromkeys(family.tokenizers, Path(tokenizer_dir))
    if config_dir is not None:
        places = {name: Path(config_dir) / name for name in family.tokenizers}
        if all(size(place) is not None for place in places.values()):
            return places
    wanted, found = text_encoder.get("vocab_size"), size(_DEMO)
    if found is None or found != wanted:
        raise no_tokenizer(f"{found or 'no'} tokens for the encoder's {wanted}")
    return dict.fromkeys(family.tokenizers, _DEMO)


def size(folder: Path) -> int | None:
    """Number of tokens of the tokenizer in `folder`; None when there is none."""
    if (folder / "tokenizer.json").is_file():
        content = read_json(folder / "tokenizer.json")
        tokens = set(content.get("model", {}).get("vocab", {}))
        return len(tokens | {token["content"] for token in content.get("added_tokens", [])})
    if (folder / "vocab.json").is_file():
        return len(read_json(folder / "vocab.json"))
    return None


def copy(folder: Path, out: Path, *, pad: str) -> None:
    """Copy the tokenizer's files, with the padding token `pad` where its vocabulary has it."""
    out.mkdir()
    for name in _FILES:
        if (folder / name).is_file():
            (out / name).write_bytes((folder / name).read_bytes())
    if not _knows(folder, pad):
        return
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (out / name).is_file():
            content = read_json(out / name)
            if content.get("pad_token") is not None:
                content["pad_token"] = pad
                (out / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _knows(folder: Path, token: str) -> bool:
    name = "tokenizer.json" if (folder / "tokenizer.json").is_file() else "vocab.json"
    content = read_json(folder / name)
    vocabulary = content.get("model", {}).get("vocab", {}) if name == "tokenizer.json" else content
    return token in vocabulary
