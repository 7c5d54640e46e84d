"""CLIP's byte-pair tokenizer as SD 1.x ships it (vocab.json, merges.txt), from open-clip's merge list."""

from __future__ import annotations

import gzip
import json
from pathlib import Path


def byte_letters() -> tuple[str, ...]:
    """The 256 letters that stand for bytes: printable Latin-1 first, the rest moved above 255 (GPT-2's scheme)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [256 + place for place in range(256 - len(printable))]
    return tuple(chr(code) for code in [*printable, *moved])


def write(merge_list: Path, folder: Path) -> None:
    """Write `folder`/vocab.json and merges.txt from `bpe_simple_vocab_16e6.txt.gz` of the open-clip-torch wheel (MIT).

    49408 tokens: 256 letters, the same at a word's end, 48894 merges, start and end of text.
    """
    lines = gzip.decompress(merge_list.read_bytes()).decode("utf-8").split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: place for place, token in enumerate(tokens)}
    text = json.dumps(vocabulary, ensure_ascii=True, separators=(",", ":"))
    (folder / "vocab.json").write_text(text, encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "add_prefix_space": False,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "do_lower_case": True,
        "model_max_length": 77,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
