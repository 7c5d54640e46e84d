"""Prompts that lie beside the photos, in the forms that other trainers use."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from dreamboot_trainer import shell
from dreamboot_trainer.problems import TrainerError, mismatch

_NAMES = ("{stem}.txt", "{name}.txt", "{stem}.caption")
"""kohya and most others; ShivamShrirao (`dog.png.txt`); kohya's default ending."""
_KEYS = ("text", "caption", "prompt")


def caption_of(photo: Path) -> str | None:
    """The photo's caption from a text file, a .json with its name, or the folder's metadata.jsonl; None without."""
    for name in _NAMES:
        path = photo.with_name(name.format(stem=photo.stem, name=photo.name))
        if path.is_file():
            return _text(path).strip() or None
    path = photo.with_suffix(".json")
    if path.is_file():
        return _caption(_parse(path, _text(path)))
    return _metadata(photo.parent).get(photo.name)


@cache
def _metadata(folder: Path) -> dict[str, str]:
    """File name -> caption, from the `metadata.jsonl` of Hugging Face's image folders."""
    path = folder / "metadata.jsonl"
    if not path.is_file():
        return {}
    found = {}
    for line in _text(path).splitlines():
        if line.strip():
            row = _parse(path, line)
            caption = _caption(row)
            if isinstance(row.get("file_name"), str) and caption:
                found[Path(str(row["file_name"])).name] = caption
    return found


def _caption(row: dict[str, object]) -> str | None:
    return next((str(row[key]).strip() for key in _KEYS if isinstance(row.get(key), str)), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainerError(
            mismatch(
                "caption-unreadable",
                f"The caption {path} cannot be read.",
                "a text in UTF-8",
                error,
                shell.take_out(path),
            )
        ) from error


def _parse(path: Path, text: str) -> dict[str, object]:
    try:
        row = json.loads(text)
        json.dumps(row, ensure_ascii=False).encode()  # JSON can spell halves of characters, which no tokenizer takes
    except (ValueError, RecursionError) as error:
        raise TrainerError(
            mismatch(
                "caption-unreadable",
                f"The captions in {path} cannot be read.",
                "JSON",
                error,
                shell.take_out(path),
            )
        ) from error
    return row if isinstance(row, dict) else {}
