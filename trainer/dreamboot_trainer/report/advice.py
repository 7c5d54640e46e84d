"""What to do next with a run: the commands, where its file goes, and which word prompts must hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dreamboot_trainer.config import Concept, Config
from dreamboot_trainer.identifiers import new_words
from dreamboot_trainer.report import commands
from dreamboot_trainer.report.html import command, paragraph, pre, text

ORIGINAL = "model.safetensors"
_GOES_ON = "It goes on from the last checkpoint; the steps that are done stay done."
_BEGINS_ANEW = "The learning rate has come to its end with the last step: a longer run begins anew, in another folder."


def next_steps(config: Config, run: Path, concepts: Sequence[Concept]) -> str:
    """Cards in the order in which people wish for it."""
    prompt = next((concept.instance_prompt for concept in concepts if concept.instance_prompt), "")
    cards = [
        _card("Draw what you like", paragraph(_words(concepts)), command(commands.draw(run, prompt)) if prompt else ""),
        _card(
            "Train on, if it is not like your photos yet",
            paragraph(_GOES_ON if commands.can_go_on(config) else _BEGINS_ANEW),
            command(commands.longer(run, config)),
        ),
        _card("Use it in other programs", *_elsewhere(config, run)),
    ]
    return f'<ol class="steps">{"".join(cards)}</ol>'


def _card(title: str, *content: str) -> str:
    return f"<li><h3>{text(title)}</h3>{''.join(content)}</li>"


def _words(concepts: Sequence[Concept]) -> str:
    """Which words a prompt must hold. Without a class prompt nobody knows which one is the rare one."""
    known = [concept for concept in concepts if concept.class_prompt]
    rare = [" ".join(new_words(concept.instance_prompt, concept.class_prompt)) for concept in known]
    named = [f"<code>{text(word)}</code>" for word in dict.fromkeys(rare) if word]
    if not named:
        return "A prompt must hold the rare word that was trained; put what you like around it, such as “in the snow”."
    said = f"A prompt must hold {' or '.join(named)}: that is how the model knows the subject."
    return f"{said} Put what you like around it, such as “in the snow”."


def _elsewhere(config: Config, run: Path) -> list[str]:
    lora = config.training.method == "lora"
    webui, comfy = ("models/Lora", "models/loras") if lora else ("models/Stable-diffusion", "models/checkpoints")
    file = run.absolute() / ORIGINAL
    if not file.is_file():
        said = f"This run has no {ORIGINAL}, as <code>save_original = false</code> asked."
        return [paragraph(f"{said} With <code>save_original = true</code> a run writes it into its folder.")]
    beside = file.with_suffix(".yaml")
    both = f" Copy <code>{beside.name}</code> with it, under the same name." if beside.is_file() else ""
    used = " There, <code>&lt;lora:NAME:1&gt;</code> in the prompt switches it on." if lora else ""
    return [
        paragraph(f"Copy this file, under a name that you will know again:{both}"),
        pre(str(file)),
        paragraph(f"AUTOMATIC1111: into <code>{webui}</code>.{used}"),
        paragraph(f"ComfyUI: into <code>{comfy}</code>."),
    ]
