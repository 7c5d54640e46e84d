"""The pictures and captions the demo model learns from: Noto emoji drawn on plain backgrounds, each with its name."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

RESOLUTION = 128
"""Side of a training picture in pixels: 16x16 latents with the factor 8 of an SD 1.x autoencoder."""
TEMPLATES = ("a photo of {}", "a photo of {}", "a picture of {}", "{}")
"""DreamBooth prompts say "a photo of", so that form is seen twice as often."""
CLASS_WORD_SHARE = 0.25
"""Share of captions that name the class ("a photo of an animal") in place of the thing: prior prompts need it."""
UNCONDITIONAL_SHARE = 0.1
"""Share of empty captions, for classifier-free guidance (Ho & Salimans 2022 use 0.1 to 0.2)."""
OFTEN = 6
"""How much more often text to image sees the things that people try first: it has too little time for all alike."""
_VOCABULARY = Path(__file__).with_name("vocabulary.json")


@dataclass(frozen=True)
class Thing:
    """One emoji: its icon name, the words for it and for its classes, whether it may be mirrored.

    `often`: text to image sees it `OFTEN` times as often as the others.
    """

    icon: str
    words: str
    classes: tuple[str, ...]
    may_flip: bool
    often: bool = False


def things() -> tuple[Thing, ...]:
    """All emoji of the demo's world, in the order of the vocabulary file."""
    table = json.loads(_VOCABULARY.read_text(encoding="utf-8"))
    rows, often = [], set(table["often"])
    for group, icons in table["classes"].items():
        names = [group, *([table["also"][group]] if group in table["also"] else [])]
        classes = tuple(with_article(table["class_words"].get(name, name), table["mass"]) for name in names)
        for icon in icons:
            noun = table["captions"].get(icon, icon.replace("-", " "))
            rows.append(
                Thing(icon, with_article(noun, table["mass"]), classes, icon not in table["no_flip"], icon in often)
            )
    return tuple(rows)


def with_article(noun: str, mass: list[str]) -> str:
    """`noun` after "a" or "an"; plurals and mass nouns stay bare."""
    last = noun.rsplit(maxsplit=1)[-1]
    plural = last.endswith("s") and not last.endswith(("ss", "us")) and last not in {"tennis", "hibiscus"}
    if noun in mass or plural:
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def caption(thing: Thing, rng: random.Random) -> str:
    """One caption for `thing`: its name, sometimes its class, sometimes nothing."""
    if rng.random() < UNCONDITIONAL_SHARE:
        return ""
    words = rng.choice(thing.classes) if rng.random() < CLASS_WORD_SHARE else thing.words
    return rng.choice(TEMPLATES).format(words)


def render(package: Path, chosen: tuple[Thing, ...]) -> NDArray[np.uint8]:
    """Draw every icon of the unpacked npm package `@iconify-json/noto` at `package`: (N, 128, 128, 4) uint8 RGBA.

    Raises KeyError for an icon that the package lacks.
    """
    import io

    import numpy as np
    import resvg_py  # type: ignore[import-not-found, unused-ignore]
    from PIL import Image

    icons: dict[str, Any] = json.loads((package / "icons.json").read_text(encoding="utf-8"))["icons"]
    pictures = np.zeros((len(chosen), RESOLUTION, RESOLUTION, 4), np.uint8)
    for row, thing in enumerate(chosen):
        body = icons[thing.icon]["body"]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">{body}</svg>'
        png = resvg_py.svg_to_bytes(svg_string=svg, width=RESOLUTION, height=RESOLUTION, skip_system_fonts=True)
        pictures[row] = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))
    return pictures


def background(rng: random.Random) -> tuple[int, int, int]:
    """A plain background colour: white half of the time, else a light tint."""
    import colorsys

    if rng.random() < 0.5:
        return (255, 255, 255)
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.08, 0.35), rng.uniform(0.85, 1.0))
    return (round(255 * red), round(255 * green), round(255 * blue))


def compose(picture: NDArray[np.uint8], may_flip: bool, rng: random.Random) -> Image.Image:
    """One training view of an RGBA icon: mirrored or not, turned, scaled and moved a little, on a plain background."""
    from PIL import Image

    icon = Image.fromarray(picture, "RGBA")
    if may_flip and rng.random() < 0.5:
        icon = icon.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    icon = icon.rotate(rng.gauss(0, 4), Image.Resampling.BICUBIC)
    side = round(RESOLUTION * rng.uniform(0.82, 0.98))
    icon = icon.resize((side, side), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (RESOLUTION, RESOLUTION), background(rng))
    room = RESOLUTION - side
    canvas.paste(icon, (rng.randint(0, room), rng.randint(0, room)), icon)
    return canvas


def views(pictures: NDArray[np.uint8], chosen: tuple[Thing, ...], each: int, seed: int) -> NDArray[np.uint8]:
    """`each` views of every icon: (N, each, 128, 128, 3) uint8. Made once, since drawing costs as much as learning."""
    import numpy as np

    rng = random.Random(seed)  # noqa: S311
    made = np.zeros((len(chosen), each, RESOLUTION, RESOLUTION, 3), np.uint8)
    for row, thing in enumerate(chosen):
        for view in range(each):
            made[row, view] = np.asarray(compose(pictures[row], thing.may_flip, rng))
    return made


def as_tensor(pictures: NDArray[np.uint8]) -> Any:
    """(B, H, W, 3) uint8 to a float32 tensor (B, 3, H, W) in [-1, 1]."""
    import numpy as np
    import torch

    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
