"""Helpers to train a miniature model inside a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BASE = {
    "resolution": "64",
    "instance_prompt": "a photo of sks dog",
    "class_prompt": "a photo of a dog",
    "num_class_images": "3",
    "class_inference_steps": "2",
    "sample_batch_size": "2",
    "max_train_steps": "4",
    "learning_rate": "1e-3",
    "num_validation_images": "0",
    "num_inference_steps": "2",
    "save_original": "false",
    "device": "cpu",
}


def configure(model: Path, photos: Path, **changes: object) -> Any:
    """A Config for a short run on the miniature model."""
    from dreamboot_trainer.config_read import read

    values: dict[str, object] = {
        **BASE,
        "pretrained_model_name_or_path": model,
        "instance_data_dir": photos,
        **changes,
    }
    return read(
        None, [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()]
    )


def train(config: Any, run: Path) -> tuple[dict[str, Any], ...]:
    """Train in this process; the events. accelerate's state lives as long as the process unless it is reset."""
    from accelerate.state import AcceleratorState

    from dreamboot_trainer.events import read_events
    from dreamboot_trainer.run import train as start

    AcceleratorState._reset_state(reset_partial_state=True)
    run.mkdir(parents=True, exist_ok=True)
    start(config, run, ())
    return read_events(run / "events.jsonl")


def losses(events: tuple[dict[str, Any], ...]) -> dict[int, float]:
    """Step -> loss, the last one where a step was repeated."""
    return {
        record["done"]: record["data"]["loss"]
        for record in events
        if record["event"] == "progress" and record["stage"] == "train"
    }


def changed(run: Path, model: Path, part: str) -> bool:
    """Whether a component's saved weights differ from the model's own (as fp16)."""
    import torch
    from safetensors.torch import load_file

    name = "model" if part.startswith("text") else "diffusion_pytorch_model"
    new, old = (load_file(root / part / f"{name}.safetensors") for root in (run / "model", model))
    strip = lambda tensors: {key.removeprefix("text_model."): value for key, value in tensors.items()}  # noqa: E731
    new, old = strip(new), strip(old)
    assert set(new) == set(old)
    return any(not torch.equal(new[key], old[key].to(new[key].dtype)) for key in old)
