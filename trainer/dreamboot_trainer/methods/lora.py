"""A small adapter beside the attention layers is trained by peft; the model's own weights stay as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dreamboot_trainer.config import Config
from dreamboot_trainer.files import replacing_folder
from dreamboot_trainer.noise import seed_of
from dreamboot_trainer.pipeline import Pipeline
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.save import narrowed
from dreamboot_trainer.sharding import whole_tree
from dreamboot_trainer.trainable import Trainable

if TYPE_CHECKING:
    from dreamboot_trainer.methods import Weights

NAME = "lora"
ADAPTERS = True

FILE = "pytorch_lora_weights.safetensors"
"""The name under which diffusers' `load_lora_weights` looks for an adapter in a folder."""
_METADATA = "lora_adapter_metadata"
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")


def attach(pipeline: Pipeline, config: Config) -> Trainable:
    """See Method. The adapter's start depends on the seed alone."""
    from peft import LoraConfig

    settings = config.lora

    def options(targets: tuple[str, ...]) -> Any:
        return LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha or settings.lora_rank,  # type: ignore[arg-type]
            lora_dropout=settings.lora_dropout,
            use_dora=settings.use_dora,
            init_lora_weights="gaussian",
            target_modules=list(targets),
        )

    pipeline.denoiser.requires_grad_(requires_grad=False)
    encoders = [part for name, part in _adapted(pipeline, config).items() if name != pipeline.family.denoiser]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.training.seed, "adapter"))
        pipeline.denoiser.add_adapter(options(pipeline.family.lora_targets))
        for encoder in encoders:
            encoder.add_adapter(options(TEXT_TARGETS))
    trainable = Trainable(pipeline.family, pipeline.denoiser, encoders, config.training.told_guidance)
    for parameter in trainable.trained().values():
        parameter.data = parameter.data.float().clone()
    return trainable


def weights(pipeline: Pipeline, config: Config, *, keep: bool) -> Weights:
    """The adapters' of every part that has one."""
    from peft.utils import get_peft_model_state_dict

    adapters = {name: get_peft_model_state_dict(module) for name, module in _adapted(pipeline, config).items()}
    found: Weights = whole_tree(adapters, keep=keep)
    return found


def save(pipeline: Pipeline, config: Config, weights: Weights, out: Path) -> None:
    """A folder with one file in diffusers' names; its metadata says rank and strength."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    facts: dict[str, Any] = {}
    for name, module in _adapted(pipeline, config).items():
        for key, value in weights[name].items():
            tensors[f"{name}.{key}"] = narrowed(f"{name}.{key}", value, config.output.save_precision)
        facts |= {f"{name}.{key}": value for key, value in _facts(module).items()}
    with replacing_folder(out) as partial:
        save_file(tensors, partial / FILE, metadata={"format": "pt", _METADATA: json.dumps(facts, sort_keys=True)})


def export(pipeline: Pipeline, _: Config, saved: Path, out: Path) -> str:
    """The adapter under kohya's names, as the web UI and ComfyUI read it."""
    from dreamboot_trainer.convert import lora_to_kohya

    lora_to_kohya(saved / FILE, out, config_dir=pipeline.folder.path, overwrite=True)
    return ""


def load(pipeline: Pipeline, saved: Path) -> None:
    """Put the adapter in front of the pipeline's layers. TrainerError where it is none, or another model's."""
    from peft import LoraConfig, set_peft_model_state_dict

    facts, tensors = _read(saved / FILE)
    unused = set(tensors)
    try:
        for name, module in _parts(pipeline).items():
            mine = {key.removeprefix(f"{name}."): value for key, value in facts.items() if key.startswith(f"{name}.")}
            if mine:
                module.add_adapter(LoraConfig(**mine))
                state = {
                    key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")
                }
                loaded: Any = set_peft_model_state_dict(module, state)
                unused -= {f"{name}.{key}" for key in state} if not loaded.unexpected_keys else set()
    except (RuntimeError, ValueError, TypeError) as error:
        raise _not_for(pipeline, saved, str(error).splitlines()[-1].strip()) from error
    if unused or not tensors:
        raise _not_for(pipeline, saved, min(unused, default="none"))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What diffusers is told of the adapter, and its weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = dict(json.loads(file.metadata()[_METADATA]))
            return facts, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise TrainerError(
            mismatch(
                "adapter-unreadable",
                f"{path.parent} holds neither a model nor an adapter that can be read.",
                f"model_index.json, or {FILE} as a run's model/ has it",
                f"{type(error).__name__}: {error}",
                "--model RUN/model, or RUN/saves/step-000400",
            )
        ) from error


def _not_for(pipeline: Pipeline, saved: Path, found: str) -> TrainerError:
    return TrainerError(
        mismatch(
            "adapter-mismatch",
            f"The adapter in {saved} is not for the model in {pipeline.folder.path}.",
            f"layers of that {pipeline.family.title} model",
            found,
            "--set pretrained_model_name_or_path=FOLDER, with the model that the adapter was trained on",
        )
    )


def _parts(pipeline: Pipeline) -> dict[str, Any]:
    """What may have an adapter, by its name."""
    family = pipeline.family
    return {family.denoiser: pipeline.denoiser, **family.trainable(pipeline.text.encoders)}


def _adapted(pipeline: Pipeline, config: Config) -> dict[str, Any]:
    parts = _parts(pipeline)
    return parts if config.training.train_text_encoder else {pipeline.family.denoiser: pipeline.denoiser}


def _facts(module: Any) -> dict[str, Any]:
    """What diffusers needs to know to load the adapter."""
    settings = module.peft_config["default"]
    return {
        "r": settings.r,
        "lora_alpha": settings.lora_alpha,
        "use_dora": settings.use_dora,
        "target_modules": sorted(settings.target_modules),
    }
