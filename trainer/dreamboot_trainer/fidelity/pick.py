"""Which of a run's models is the best one: each draws the same prompts from the same seeds, and is scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.base_model import base_folder
from dreamboot_trainer.config import DEMO, Config
from dreamboot_trainer.data.concepts import Subject, subjects
from dreamboot_trainer.data.photos import list_photos, open_photo
from dreamboot_trainer.duration import in_steps
from dreamboot_trainer.fidelity.encoders import Clip, Dino, ImageEncoder, Judge, load_clip, load_dino
from dreamboot_trainer.fidelity.lpips import Lpips, load_lpips, variety
from dreamboot_trainer.fidelity.scores import Role, Score, balance, best, between, likeness, truth
from dreamboot_trainer.files import replacing
from dreamboot_trainer.identifiers import new_words
from dreamboot_trainer.problems import Problem, TrainerError, mismatch
from dreamboot_trainer.report import FIDELITY

if TYPE_CHECKING:
    from PIL.Image import Image

    from dreamboot_trainer.model_folder import ModelFolder

FIRST_SEED = 5000
"""Far from the seeds of class images and of the sample grids."""
PLACES = ("", " in the snow", " on the beach", " on a wooden floor")
"""Put behind the instance prompt: a model that only knows the photos draws their background here too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoders:
    """What measures. DINO's role is also the class's: PRES."""

    images: tuple[ImageEncoder, ...]
    clip: Clip | None = None
    lpips: Lpips | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Picked:
    """The scores of every candidate and of the base, and the best candidate's step."""

    best: int
    paths: Mapping[int, Path]
    balances: Mapping[int, float]
    scores: Mapping[int, tuple[Score, ...]]
    base: tuple[Score, ...] = field(default=())


def load_encoders(config: Config, dino: Path | None, clip: Path | None, lpips: Path | None) -> Encoders:
    """What the user has, or the judge for the demo. TrainerError where there is nothing to measure with."""
    if dino is None and clip is None:
        if config.model.pretrained_model_name_or_path == DEMO:
            return Encoders(images=(Judge(),))
        raise TrainerError(
            Problem(
                id="encoders-missing",
                what="There is nothing to measure the models with.",
                cause="Expected a folder with DINO, CLIP or both; found none named.",
                hint="hf download facebook/dino-vits16 --local-dir dino, then the same command with --dino dino",
            )
        )
    networks: list[ImageEncoder] = [load_dino(dino)] if dino else []
    text = load_clip(clip) if clip else None
    networks += [text] if text else []
    return Encoders(images=tuple(networks), clip=text, lpips=load_lpips(lpips) if lpips else None)


def candidates(run: Path, last: int) -> dict[int, Path]:
    """Step -> folder of every model that the run has kept. TrainerError where there is none."""
    found = {int(path.name.rpartition("-")[2]): path for path in sorted((run / "saves").glob("step-*[0-9]"))}
    if (run / "model").is_dir():
        found[last] = run / "model"
    if not found:
        raise TrainerError(
            mismatch(
                "no-candidates",
                f"There is no trained model in {run}.",
                "models in saves/ or model/",
                "none",
                "dreamboot train --save_interval 100   (keeps a model each 100 steps)",
            )
        )
    return found


def pick(config: Config, run: Path, encoders: Encoders, count: int, say: Callable[[str], None]) -> Picked:
    """Score the base and every candidate with `count` pictures per prompt, and write fidelity.json."""
    if count < 1:
        raise TrainerError(mismatch("no-pictures", "No picture is asked for.", "at least 1", count, "--pictures 8"))
    taught = subjects(config, run)
    found = candidates(run, in_steps(config, taught, 1).training.max_train_steps)
    model = base_folder(config, run)
    say(f"The base model draws {count} picture{'s' * (count != 1)} per prompt")
    base = measure(config, taught, encoders, model, None, count)
    scores = {}
    for step, path in sorted(found.items()):
        say(f"The model after step {step} draws the same")
        scores[step] = measure(config, taught, encoders, model, path, count)
    balances = {step: balance(mine, base) for step, mine in scores.items()}
    picked = Picked(best=best(balances), paths=found, balances=balances, scores=scores, base=base)
    with replacing(run / FIDELITY) as partial:
        partial.write_text(json.dumps(as_json(picked), indent=1), encoding="utf-8")
    return picked


def as_json(picked: Picked) -> dict[str, Any]:
    """What fidelity.json holds."""

    def row(scores: Sequence[Score]) -> list[dict[str, Any]]:
        return [{**asdict(score), "role": score.role.name.lower()} for score in scores]

    rows = [
        {"step": step, "path": str(picked.paths[step]), "balance": picked.balances[step], "scores": row(scores)}
        for step, scores in sorted(picked.scores.items())
    ]
    chosen = {"step": picked.best, "path": str(picked.paths[picked.best])}
    return {"schema": 1, "best": chosen, "base": row(picked.base), "candidates": rows}


def measure(
    config: Config, taught: Sequence[Subject], encoders: Encoders, base: ModelFolder, trained: Path | None, count: int
) -> tuple[Score, ...]:
    """The scores of one model; means over the subjects."""
    draw = _drawer(config, base, trained, count)
    rows = [_of_subject(config, subject, encoders, draw) for subject in taught]
    means = []
    for scores in zip(*rows, strict=True):
        real = [score.real for score in scores if score.real is not None]
        value = sum(score.value for score in scores) / len(scores)
        means.append(
            Score(name=scores[0].name, role=scores[0].role, value=value, real=sum(real) / len(real) if real else None)
        )
    return tuple(means)


Drawer = Callable[[str], "tuple[Image, ...]"]


def _of_subject(config: Config, subject: Subject, encoders: Encoders, draw: Drawer) -> list[Score]:
    places = ("",) if config.model.pretrained_model_name_or_path == DEMO else PLACES
    prompts = config.sampling.validation_prompts or tuple(subject.instance_prompt + place for place in places)
    groups = [draw(prompt) for prompt in prompts]
    drawn = [image for group in groups for image in group]
    plain = draw(subject.class_prompt) if subject.class_prompt else ()
    photos = [open_photo(path) for path in list_photos(subject.instance_dir).photos]
    found = []
    for encoder in encoders.images:
        real = encoder.pictures(photos)
        found.append(
            Score(
                name=encoder.name,
                role=Role.SUBJECT,
                value=likeness(encoder.pictures(drawn), real),
                real=between(real),
            )
        )
        if plain and (isinstance(encoder, (Dino, Judge)) or len(encoders.images) == 1):
            features = encoder.pictures(plain)
            name = "PRES" if isinstance(encoder, Dino) else f"{encoder.name} leak"
            found.append(Score(name=name, role=Role.LEAK, value=likeness(features, real), real=between(real)))
            if encoders.lpips is None:
                varied = 1 - between(features)
                found.append(Score(name=f"{encoder.name} var", role=Role.VARIETY, value=varied))
    if encoders.clip is not None:
        texts = encoders.clip.texts([_without_token(prompt, subject) for prompt in prompts])
        texts = texts.repeat_interleave(len(groups[0]), 0)
        found.append(Score(name="CLIP-T", role=Role.PROMPT, value=truth(encoders.clip.pictures(drawn), texts)))
    if encoders.lpips is not None:
        found.append(Score(name="DIV", role=Role.VARIETY, value=variety(encoders.lpips, groups)))
    return found


def _without_token(prompt: str, subject: Subject) -> str:
    """The prompt without the rare word, which CLIP does not know."""
    rare = new_words(subject.instance_prompt, subject.class_prompt) if subject.class_prompt else []
    return " ".join(word for word in prompt.split() if word.lower() not in rare)


def _drawer(config: Config, base: ModelFolder, trained: Path | None, count: int) -> Drawer:
    """Loads the model and returns what draws `count` pictures of a prompt, always from the same seeds."""
    from dreamboot_trainer import pipeline
    from dreamboot_trainer.drawing import open_model

    loaded = open_model(config, base, trained)
    sampling, side = config.sampling, config.data.resolution
    request = pipeline.Request(
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + count)),
        height=side,
        width=side,
        guidance=sampling.guidance_scale,
        steps=sampling.num_inference_steps,
    )
    negative = pipeline.repeat(loaded.embed([sampling.negative_prompt]), count)
    return lambda prompt: loaded.generate(request, pipeline.repeat(loaded.embed([prompt]), count), negative)
