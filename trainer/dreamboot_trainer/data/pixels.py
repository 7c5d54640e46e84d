"""A photo as the numbers that the VAE takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamboot_trainer import noise

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How a photo is cut: scaled so that it covers `height` x `width`, then cropped at `top`, `left`, then mirrored."""

    photo_height: int
    photo_width: int
    height: int
    width: int
    scaled_height: int
    scaled_width: int
    top: int
    left: int
    flip: bool

    def sizes(self) -> tuple[int, int, int, int, int, int]:
        """The photo's height and width, crop top and left, result height and width: what SDXL is told."""
        return self.photo_height, self.photo_width, self.top, self.left, self.height, self.width


def view(
    size: tuple[int, int], height: int, width: int, *, center: bool, flip: bool, names: tuple[int | str, ...]
) -> View:
    """The cut of a photo of `size` (width, height). A crop that is not central is drawn for `names`."""
    scale = max(width / size[0], height / size[1])
    scaled_width, scaled_height = max(width, round(size[0] * scale)), max(height, round(size[1] * scale))
    free_top, free_left = scaled_height - height, scaled_width - width
    if center:
        top, left = free_top // 2, free_left // 2
    else:
        top = noise.below(free_top + 1, *names, "top")
        left = noise.below(free_left + 1, *names, "left")
    return View(
        photo_height=size[1],
        photo_width=size[0],
        height=height,
        width=width,
        scaled_height=scaled_height,
        scaled_width=scaled_width,
        top=top,
        left=left,
        flip=flip,
    )


def to_pixels(image: Image, cut: View) -> torch.Tensor:
    """float32 [3, height, width] in -1..1 (Lanczos)."""
    import numpy as np
    import torch
    from PIL import Image as Images

    if image.size != (cut.scaled_width, cut.scaled_height):
        image = image.resize((cut.scaled_width, cut.scaled_height), Images.Resampling.LANCZOS)
    image = image.crop((cut.left, cut.top, cut.left + cut.width, cut.top + cut.height))
    if cut.flip:
        image = image.transpose(Images.Transpose.FLIP_LEFT_RIGHT)
    values = torch.from_numpy(np.array(image, dtype=np.uint8))
    return values.permute(2, 0, 1).to(torch.float32).div_(127.5).sub_(1.0)


def to_image(pixels: torch.Tensor) -> Image:
    """The picture of [3, H, W] in -1..1."""
    from PIL import Image as Images

    values = pixels.detach().float().cpu().add(1.0).mul(127.5).round().clamp(0, 255)
    return Images.fromarray(values.permute(1, 2, 0).byte().numpy())
