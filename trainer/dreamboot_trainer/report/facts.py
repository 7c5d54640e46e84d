"""The page's words and numbers."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import SECTIONS, Config, keys_of
from dreamboot_trainer.report.page import command, paragraph, scores

_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "bitsandbytes", "peft", "safetensors")
_PLACES = {"full": ("models/Stable-diffusion", "models/checkpoints"), "lora": ("models/Lora", "models/loras")}
"""Folders of AUTOMATIC1111's web UI and of ComfyUI, by what was trained (their own documentation)."""
_MEANINGS = (
    ("DINO, CLIP-I, judge", "how much drawn pictures look like the photos; higher is better"),
    ("CLIP-T", "how well they show what the prompt says; higher is better"),
    ("PRES, leak", "how much the plain class has turned into the subject; lower is better"),
    ("DIV, var", "how different pictures of one prompt are; higher is better"),
    ("balance", "likeness and the rest in one number, of which the highest is the best"),
)


def title(config: Config) -> str:
    """What was taught."""
    concepts = [concept.instance_prompt for concept in config.data.concepts]
    prompts = [prompt for prompt in (config.data.instance_prompt, *concepts) if prompt]
    return ", ".join(dict.fromkeys(prompts)) or "Training report"


def subtitle(config: Config, records: Sequence[Mapping[str, Any]]) -> str:
    """When, how long, how many steps, on what."""
    method = "all weights" if config.training.method == "full" else "an adapter (LoRA)"
    parts = [f"{len(_steps(records))} of {config.training.max_train_steps} steps", f"{method} trained"]
    times = [record["time"] for record in records if "time" in record]
    if times:
        parts.insert(0, datetime.fromtimestamp(times[-1], timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M"))
        parts.append(f"{_duration(sum(data['seconds_per_step'] for data in _steps(records).values()))} of training")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _steps(records: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """The data of each step; one that was repeated after a kill counts once."""
    told = ("progress", "train")
    return {r["done"]: r["data"] for r in records if (r.get("event"), r.get("stage")) == told}


def next_steps(config: Config, run: Path) -> str:
    """Pictures, more steps, other programs: what a person does after a training."""
    place, prompt = shlex.quote(str(run)), title(config).split(", ")[0]
    more = config.training.max_train_steps + max(1, config.training.max_train_steps // 2)
    webui, comfy = _PLACES[config.training.method]
    parts = [
        paragraph("Draw more pictures. The rare word must be in the prompt:"),
        command(f"dreamboot sample {place} --prompt {shlex.quote(prompt + ' on the moon')}"),
    ]
    if config.optimizer.lr_scheduler.startswith("constant"):
        parts += [
            paragraph("Is it not like the photos yet? Train on:"),
            command(f"dreamboot train --config {place} --max-train-steps {more}"),
        ]
    if (run / "model.safetensors").is_file():
        parts += [
            paragraph(
                f"For other programs copy model.safetensors into {webui} (AUTOMATIC1111's web UI) or {comfy} (ComfyUI)."
            )
        ]
    return "".join(parts)


def repeat(text: str) -> str:
    """The same run again, as dreamboot's command and as the trainer's own."""
    own = text.replace("python -m dreamboot_trainer", "dreamboot").replace("--output_dir", "--output")
    return f"{command(own)}{paragraph('Without dreamboot, in the environment itself:')}{command(text)}"


def fidelity(path: Path) -> str:
    """The scores of every kept model, where `pick` was called."""
    if not path.is_file():
        return ""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = [score["name"] for score in content["base"]]
    rows: list[tuple[Sequence[str], bool]] = [(["base model", *_values(content["base"]), ""], False)]
    for each in content["candidates"]:
        best = each["step"] == content["best"]["step"]
        words = f"step {each['step']}{' (best)' if best else ''}"
        rows.append(([words, *_values(each["scores"]), f"{each['balance']:.3f}"], best))
    meanings = (paragraph(f"{name}: {words}.") for name, words in _MEANINGS)
    return scores(["", *names, "balance"], rows) + "".join(meanings)


def _values(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{score['value']:.3f}" for score in found]


def of_run(config: Config, run: Path, records: Sequence[Mapping[str, Any]]) -> list[tuple[str, object]]:
    """What was trained, where, how fast."""
    steps = _steps(records)
    facts: list[tuple[str, object]] = [
        ("Model", config.model.pretrained_model_name_or_path),
        ("Method", config.training.method),
        ("Run folder", run),
        ("Steps", f"{len(steps)} of {config.training.max_train_steps}"),
    ]
    for record in records:
        if record.get("event") == "started" and record.get("stage") == "train":
            facts += [(name.replace("_", " ").capitalize(), value) for name, value in record.get("data", {}).items()]
            break
    if steps:
        last = [data["loss"] for _, data in sorted(steps.items())][-max(1, len(steps) // 10) :]
        facts += [
            ("Mean loss of the last tenth", f"{sum(last) / len(last):.4f}"),
            ("Seconds per step", f"{sum(data['seconds_per_step'] for data in steps.values()) / len(steps):.3f}"),
            ("Peak memory", f"{max(data['peak_memory_mib'] for data in steps.values())} MiB"),
        ]
    return facts


def changed(config: Config) -> list[tuple[str, object]]:
    """Every key that is not at its default."""
    found: list[tuple[str, object]] = []
    for section, cls in SECTIONS.items():
        part = getattr(config, section)
        found += [
            (key.dotted, getattr(part, key.name))
            for key in keys_of(section, cls)
            if getattr(part, key.name) != key.default
        ]
    return found


def environment() -> list[tuple[str, object]]:
    """Versions of what it ran on."""
    found: list[tuple[str, object]] = [("Python", platform.python_version()), ("System", platform.platform())]
    for name in _LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return found
