"""Folders of training images: their layout, and files whose content is not what their name says."""

# ruff: noqa: PTH112, PTH118, PTH122, PTH202 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterable, List, Optional, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import PhotoFolder

SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".bmp": "bmp", ".gif": "gif"}
MAGIC = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"BM", "bmp"), (b"GIF8", "gif"))
_NUMBERED = re.compile(r"\d+_.+")
MOST = 2000


def photo_folders(folders: Iterable[str]) -> Tuple[PhotoFolder, ...]:
    """One entry for each folder that holds images, directly or one or two levels down."""
    return tuple(found for found in (_folder(path) for path in folders if os.path.isdir(path)) if found is not None)


def kind_of(head: bytes) -> str:
    """jpeg, png, webp, bmp, gif, heic, avif, or "" from the first bytes."""
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return "avif" if b"avif" in head[8:24] else "heic"
    return ""


def _folder(path: str) -> Optional[PhotoFolder]:
    direct = _images(path)
    numbered: List[str] = []
    turned: List[str] = []
    plain: List[str] = []
    for name in files.names(path):
        inside = os.path.join(path, name)
        if not os.path.isdir(inside):
            continue
        images = _images(inside)
        if _NUMBERED.fullmatch(name):
            numbered += images
            if not images:
                turned += [
                    os.path.join(inside, child) for child in files.names(inside) if _images(os.path.join(inside, child))
                ]
        else:
            plain += images
    every = [*direct, *numbered, *plain]
    if not every and not turned:
        return None
    bad, wrong, cut = _judge(every[:MOST])
    return PhotoFolder(
        path=path,
        direct=len(direct),
        numbered=len(numbered),
        not_images=tuple(bad),
        mislabelled=tuple(wrong),
        cut=tuple(cut),
        reversed_names=tuple(turned),
    )


def _images(folder: str) -> List[str]:
    return [os.path.join(folder, name) for name in files.names(folder) if os.path.splitext(name)[1].lower() in SUFFIXES]


def _judge(paths: Iterable[str]) -> Tuple[List[str], List[str], List[str]]:
    """(no images, images of another type, cut off) among the files."""
    bad, wrong, cut = [], [], []
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                head = file.read(32)
                file.seek(max(0, os.path.getsize(path) - 32))
                tail = file.read()
        except OSError:
            bad.append(path)
            continue
        kind = kind_of(head)
        if not kind:
            bad.append(path)
        elif kind != SUFFIXES[os.path.splitext(path)[1].lower()]:
            wrong.append(path)
        elif (kind == "png" and b"IEND" not in tail) or (kind == "jpeg" and b"\xff\xd9" not in tail):
            cut.append(path)
    return bad, wrong, cut
