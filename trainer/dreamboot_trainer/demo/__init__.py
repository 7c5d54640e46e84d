"""The built-in demo: a small text-to-image model, an invented subject, and settings that teach the one to the other.

Nothing here imports torch.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_HERE = Path(__file__).parent

MODEL_DIR = _HERE / "model"
"""The demo model, a diffusers folder with SD 1.x's layout."""
PHOTOS_DIR = _HERE / "subject" / "photos"
"""Six pictures of the subject, to train on."""
HELD_BACK_DIR = _HERE / "subject" / "held_back"
"""Four more pictures of the subject, to measure against; never trained on."""
TOKEN = "sks"  # noqa: S105
"""A token that the model never saw; one entry of CLIP's vocabulary."""
CLASS_NOUN = "animal"
INSTANCE_PROMPT = f"a photo of {TOKEN} {CLASS_NOUN}"
CLASS_PROMPT = f"a photo of an {CLASS_NOUN}"
RESOLUTION = 128
"""Side of the model's pictures in pixels."""
RECIPE = _HERE / "recipe.toml"
"""Settings by the names of `dreamboot_trainer.config`, found by experiment (docs/explanation/demo-model.md)."""


@cache
def settings() -> Mapping[str, Any]:
    """The recipe, read once; not to be changed."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return MappingProxyType(tomllib.loads(RECIPE.read_text(encoding="utf-8")))
