"""Photos: which files of a folder are some, and reading one safely, upright and in RGB. No torch here."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamboot_trainer import shell
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
COMPANIONS = frozenset({".txt", ".caption", ".json", ".jsonl", ".npz"})
"""Files that belong beside photos: captions and metadata."""
MINIMUM_SIDE = 32
"""Pixels. Below this a photo holds less than one 8 x 8 block of the VAE in each quarter: nothing to learn from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The photos of a folder in the order of their names, and the files that are none."""

    photos: tuple[Path, ...]
    ignored: tuple[Path, ...]


def list_photos(folder: Path) -> Listing:
    """Every photo directly in the folder. Hidden files and captions are passed over in silence."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise TrainerError(
            mismatch(
                "photos-folder-missing",
                f"There is no photo folder at {folder}.",
                "a folder with photos",
                found,
                shell.look(folder.parent),
            )
        )
    try:
        files = sorted(
            (item for item in folder.iterdir() if _is_file(item) and not item.name.startswith(".")),
            key=lambda item: item.name,
        )
    except OSError as error:
        raise TrainerError(
            mismatch(
                "photos-folder-unreadable",
                f"The photo folder {folder} cannot be read.",
                "read permission",
                str(error.strerror),
                shell.look(folder.parent),
            )
        ) from error
    photos = tuple(item for item in files if item.suffix.lower() in ENDINGS)
    ignored = tuple(item for item in files if item.suffix.lower() not in ENDINGS | COMPANIONS)
    return Listing(photos=photos, ignored=ignored)


def _is_file(path: Path) -> bool:
    """A link that leads nowhere counts: whoever opens it says so, and nobody trains on fewer photos than were meant."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def open_photo(path: Path) -> Image:
    """The photo, fully decoded, turned as its EXIF orientation says, first frame, as RGB (transparency on white).

    TrainerError where it is missing, unreadable, cut off, no image at all, or larger than Pillow deems safe.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise TrainerError(
            mismatch(
                "photo-missing",
                f"The photo {path} is gone.",
                "the file that was listed",
                "no such file",
                shell.look(path.parent),
            )
        ) from error
    except PermissionError as error:
        raise TrainerError(
            mismatch(
                "photo-not-allowed",
                f"The photo {path} may not be read.",
                "read permission",
                "permission denied",
                f"chmod u+r {shell.quoted(path)}",
            )
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TrainerError(
            mismatch(
                "photo-too-large",
                f"The photo {path} is too large.",
                "at most 89 million pixels",
                str(error),
                f"Make it smaller, or: {shell.take_out(path)}",
            )
        ) from error
    except UnidentifiedImageError as error:
        raise TrainerError(
            mismatch(
                "photo-not-an-image",
                f"{path} is not an image.",
                f"a {path.suffix} image",
                _beginning(path),
                shell.take_out(path),
            )
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise TrainerError(
            mismatch(
                "photo-damaged",
                f"The photo {path} is damaged.",
                "a whole image",
                str(error),
                f"Copy it again from where it came, or: {shell.take_out(path)}",
            )
        ) from error


def check_size(path: Path, image: Image) -> None:
    """TrainerError where the photo's shorter side is below MINIMUM_SIDE."""
    if min(image.size) < MINIMUM_SIDE:
        found = f"{image.width} x {image.height}"
        raise TrainerError(
            mismatch(
                "photo-too-small",
                f"The photo {path} is too small to learn from.",
                f"sides of at least {MINIMUM_SIDE} pixels",
                found,
                shell.take_out(path),
            )
        )


def _to_rgb(image: Image) -> Image:
    from PIL import Image as Images

    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if image.mode == "F":
        # Floating point has no range of its own: 0 to 1, 0 to 255 or 0 to 65535, by its largest value.
        most = max(image.getdata())
        factor = 255 if most <= 1 else 1 if most <= 255 else 1 / 256
        return image.point(lambda value: value * factor).convert("L").convert("RGB")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Images.new("RGBA", image.size, (255, 255, 255, 255))
        return Images.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(24)
    return f"a file that begins with {start!r}" if start else "an empty file"


def digest_of(path: Path) -> str:
    """sha256 of a photo's file; "" where it can't be read, which `open_photo` tells better."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def stamp_of(path: Path) -> tuple[int, int]:
    """Size in bytes and date (ns) of a file: equal ones hold the same, as far as a look can tell."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
