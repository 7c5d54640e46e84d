"""What is predicted against what a real run on a miniature model holds in a step: to the byte, for the parts that last.

The trainer itself runs, for two steps; before the second one changes the weights, what it holds is counted.
"""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer import finite, loop
from dreamboot_trainer.model_folder import read_folder
from dreamboot_trainer.predict.request import request_of
from dreamboot_trainer.predict.step import STEP, record
from dreamboot_trainer.stages import training as stage
from support.training import configure, train

pytestmark = pytest.mark.trainer
LORA = {"method": "lora", "lora_rank": 4}
TEXT = {"train_text_encoder": True}
LIVE = {"cache_latents": False}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One folder per family."""
    from support.tiny_flow import build_flux, build_sd3
    from support.tiny_sd import build_sd1, build_sdxl

    root = tmp_path_factory.mktemp("models")
    return {
        "sd1": build_sd1(root / "sd1"),
        "sd2": build_sd1(root / "sd2", linear=True, v_prediction=True),
        "sdxl": build_sdxl(root / "sdxl"),
        "sd3": build_sd3(root / "sd3"),
        "flux": build_flux(root / "flux"),
    }


def size(tensors: Any) -> int:
    """Bytes of the storages that hold these tensors' contents."""
    storages = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors if t.device.type != "meta"
    }
    return sum(storages.values())


def held_by(module: Any) -> list[Any]:
    """Parameters and buffers, with the scales of weights of 4 bits; none of a network whose weights were forgotten."""
    if next(module.parameters()).device.type == "meta":
        return []
    found = [*module.parameters(), *module.buffers()]
    for state in (getattr(weight, "quant_state", None) for weight in module.parameters()):
        found += [state.absmax, state.state2.absmax] if state is not None else []
    return found


def real(config: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes by part in the last step of a run, before the optimizer changes the weights."""
    seen: dict[str, Any] = {}
    begin, start, check = stage.train, loop.train, finite.require_loss

    def beginning(context: Any, prepared: Any, *others: Any) -> Any:
        seen["pipeline"] = prepared.pipeline
        return begin(context, prepared, *others)

    def starting(context: Any, training: loop.Training, *others: Any) -> None:
        seen["training"] = training
        start(context, training, *others)

    def checking(*others: Any) -> None:
        check(*others)
        seen["parts"] = parts_of(seen["pipeline"], seen["training"])

    monkeypatch.setattr(stage, "train", beginning)
    monkeypatch.setattr(loop, "train", starting)
    monkeypatch.setattr(finite, "require_loss", checking)
    train(config, run)
    found: dict[str, int] = seen["parts"]
    return found


def parts_of(pipeline: Any, training: loop.Training) -> dict[str, int]:
    """What lies on the device: T5 waits in main memory, which on a CPU is the same."""
    trained = training.trainable.trained().values()
    large = [id(encoder) for encoder in pipeline._large()]
    networks = [pipeline.denoiser, pipeline.vae, *(e for e in pipeline.text.encoders if id(e) not in large)]
    states = [item for state in training.optimizer.state.values() for item in state.values()]
    return {
        "weights": size(tensor for network in networks for tensor in held_by(network)),
        "gradients": size(weight.grad for weight in trained if weight.grad is not None),
        "optimizer states": size(item for item in states if isinstance(item, torch.Tensor)),
        "average of the weights": size(training.average.shadow.values()) if training.average else 0,
        "prompts": size(training.batches._text.values()),
    }


def predicted(config: Any, model: Any, family: str) -> dict[str, int]:
    """Bytes by part of the same run's step, of the tensors that are held when it ends."""
    trace = record(request_of(config, family), read_folder(model).configs)
    held: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for event in trace.during(STEP):
        part = trace.parts[event.key]
        held[part] += event.size
        most[part] = max(most[part], held[part])
    return {part: most[part] for part in PARTS if most[part]}


PARTS = ("weights", "gradients", "optimizer states", "average of the weights", "prompts")
CASES = [
    ("sd1", {}),
    ("sd1", {"use_ema": True, "train_batch_size": 2, "gradient_accumulation_steps": 2}),
    ("sd1", {"with_prior_preservation": False, **TEXT}),
    ("sd1", {**TEXT, "text_encoder_steps": 1, "text_encoder_learning_rate": 1e-6, "use_ema": True}),
    ("sd1", LIVE),
    ("sd1", {**LORA, **LIVE, "gradient_checkpointing": True}),
    ("sd1", {**LORA, **TEXT, "gradient_checkpointing": True}),
    ("sd1", {**LORA, **TEXT, "use_dora": True, "use_ema": True}),
    ("sd2", TEXT),
    ("sd2", {**LORA, **TEXT}),
    ("sdxl", {}),
    ("sdxl", TEXT),
    ("sdxl", {**LORA, **LIVE}),
    ("sdxl", {**LORA, **TEXT, "mixed_precision": "bf16", "lora_dropout": 0.1}),
    ("sd3", LORA),
    ("sd3", {**LORA, **TEXT}),
    ("sd3", {**LORA, **LIVE, "mixed_precision": "bf16"}),
    ("sd3", {**LORA, **TEXT, "use_dora": True}),
    ("flux", {**LORA, "use_ema": True}),
    ("flux", {**LORA, **TEXT, "mixed_precision": "bf16"}),
    ("flux", {**LORA, "base_precision": "nf4"}),
]


@pytest.mark.parametrize(
    ("family", "changes"), CASES, ids=lambda item: item if isinstance(item, str) else "-".join(item)
)
def test_the_parts_are_those_of_a_real_run(models, photos, tmp_path, monkeypatch, family, changes):
    changes = {"mixed_precision": "no", "max_train_steps": 2, **changes}
    config = configure(models[family], photos, **changes)
    found = real(config, tmp_path / "run", monkeypatch)
    assert predicted(config, models[family], family) == {part: held for part, held in found.items() if held}
