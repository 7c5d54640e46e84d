"""The built-in demo: a small text-to-image model, an invented subject, and settings that teach the one to the other.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

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
SETTINGS: Mapping[str, float | int | bool] = MappingProxyType(
    {
        "resolution": RESOLUTION,
        "learning_rate": 2e-4,
        "max_train_steps": 300,
        "train_batch_size": 2,
        "with_prior_preservation": True,
        "prior_loss_weight": 1.0,
        "num_class_images": 48,
        "sample_batch_size": 16,
        "class_guidance_scale": 4.0,
        "class_inference_steps": 25,
        "guidance_scale": 4.0,
        "num_inference_steps": 25,
    }
)
"""Settings by the names of `dreamboot_trainer.config`, found by experiment (docs/demo-model.md)."""
