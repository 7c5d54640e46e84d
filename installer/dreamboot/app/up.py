"""Up: the whole way from a bare machine to a trained, exported model."""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from dreamboot.app import photos as photo_names
from dreamboot.app.build import DEFAULT, cost, decide, declined, one_line, summary
from dreamboot.app.context import Context
from dreamboot.app.environment import order_for
from dreamboot.app.expectation import peak_memory, steps_for, training_time
from dreamboot.app.next_source import from_next_source
from dreamboot.app.run_config import Run
from dreamboot.app.train import finished_report, require_settings, run_training
from dreamboot.building import generations
from dreamboot.building.build import build as run_build
from dreamboot.building.layout import Layout
from dreamboot.building.steps import describe, steps
from dreamboot.launching.trainer import trainer_source
from dreamboot.model import DreambootError, Event, Machine, Plan, Problem, Report, Wish
from dreamboot.values import canonical, parse_toml, to_json, value

DEMO = "demo"
RARE_WORD = "sks"
# The community's copy of SD 1.5, the base of the seed's recipe; see docs/how-to/your-own-photos.md.
DEFAULT_MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"
# Bytes of its networks in full precision: UNet 3,438 MB, text encoder 492 MB, VAE 335 MB (the repository's file list).
DEFAULT_MODEL_GB = 4.3
# The recipe's rate is for all weights; an adapter of the miniature needs a higher one (docs/explanation/demo-model.md).
DEMO_LORA_RATE = 1e-3
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@value
class Subject:
    """What is to be taught. `photos` None: the built-in demo subject. `model` "": decided from `photos`."""

    photos: Optional[Path] = None
    class_noun: str = ""
    token: str = RARE_WORD
    model: str = ""
    output: Optional[Path] = None
    settings: Tuple[str, ...] = ()

    @property
    def is_demo(self) -> bool:
        """Whether the built-in subject is taught."""
        return self.photos is None

    @property
    def on_miniature(self) -> bool:
        """Whether the built-in model is trained, on its own subject or on photos."""
        return self.is_demo or self.model == DEMO


def up(
    context: Context, subject: Subject, wish: Wish, name: str = DEFAULT, bandwidth: int = 0
) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot up`."""
    begun = time.monotonic()
    require_subject(context, subject)
    require_model(context, subject)
    machine, plan = yield from decide(context, wish)
    require_settings(context, plan, subject.settings)
    order = order_for(context, plan, name, wish=wish, bandwidth=bandwidth)
    layout = Layout(home=context.home)
    photos = len(photo_names.among(context.host.list_dir(subject.photos))) if subject.photos else 0
    settings = run_settings(subject, plan, photos, method=wish.method)
    folder = run_folder(layout, subject, settings)
    overview = summary_lines(machine, plan, subject, settings, folder, photos)
    if context.dry_run:
        todo = (*map(describe, steps(plan, order.requirements)), f"train: in {folder}")
        asked = {"schema": 1, "plan": to_json(plan), "steps": list(todo), "summary": overview}
        yield Report(command="up", data=asked, messages=(*overview, "", *todo))
        return
    if context.interactive and not context.confirm("\n".join((*overview, "Start?")), default=True):
        yield declined("up")
        return
    plan = yield from from_next_source(
        context, wish, (machine, plan),
        lambda chosen: run_build(
            context.host, layout, order_for(context, chosen, name, wish=wish, bandwidth=bandwidth)
        ),
    )  # fmt: skip
    environment = generations.require(context.host, layout, name)
    run = Run(folder=folder, environment=environment, plan=plan, settings=settings)
    yield from run_training(context, run)
    report = finished_report("up", run)
    minutes = (time.monotonic() - begun) / 60
    data: Dict[str, Any] = {**report.data, "minutes": round(minutes, 2), "environment": to_json(environment)}
    yield Report(command="up", data=data, messages=(*report.messages, f"{minutes:.1f} minutes in all"))


def require_subject(context: Context, subject: Subject) -> None:
    """Refuse what can be seen to be wrong before anything is downloaded. The trainer checks every photo later."""
    if subject.photos is None:
        return
    names = context.host.list_dir(subject.photos)
    hint = "dreamboot up --photos FOLDER --class dog"
    if not context.host.is_dir(subject.photos):
        raise DreambootError(
            Problem(
                id="photos-missing",
                what=f"There is no folder {subject.photos}.",
                cause="The path is wrong, or it is a file.",
                hint=hint,
            )
        )
    if not photo_names.among(names):
        raise DreambootError(
            Problem(
                id="photos-none",
                what=f"There are no photos in {subject.photos}.",
                cause=f"It holds {len(names)} entries, none of them named like an image (.jpg, .png, .webp ...).",
                hint=hint,
            )
        )
    if not subject.class_noun:
        raise DreambootError(
            Problem(
                id="class-missing",
                what="Say what kind of thing the photos show.",
                cause="Prior preservation needs the class of the subject: a plain noun such as dog, man, woman, vase.",
                hint=f"dreamboot up --photos {shlex.quote(str(subject.photos))} --class dog",
            )
        )


def require_model(context: Context, subject: Subject) -> None:
    """Refuse what is neither a model here nor spelled like one on the hub, before an environment is built for it."""
    if subject.is_demo or is_local(context, subject) or _HUB_NAME.fullmatch(subject.model or DEFAULT_MODEL):
        return
    raise DreambootError(
        Problem(
            id="model-not-local",
            what=f"The base model {subject.model} is not on this machine.",
            cause="There is no such folder or file, and it is not spelled like a model on the hub (OWNER/NAME).",
            hint=f"dreamboot up --photos {shlex.quote(str(subject.photos))} --class {shlex.quote(subject.class_noun)}"
            f"   takes {DEFAULT_MODEL}",
        )
    )


def is_local(context: Context, subject: Subject) -> bool:
    """Whether the base model is a path here, or built in."""
    name = subject.model or DEFAULT_MODEL
    return name == DEMO or context.host.exists(Path(name).expanduser())


def run_settings(subject: Subject, plan: Plan, photos: int = 0, *, method: str = "full") -> Tuple[str, ...]:
    """The run's settings as `key=value`; the subject's own win over the machine's preset, the user's over all.

    `photos`: how many there are; decides the number of steps. `method`: what the user asked for; where the plan has
    another one, a full-size model needs it to fit, and the miniature does not.
    """
    chosen: Dict[str, Any] = dict(plan.preset.settings)
    chosen["method"] = plan.preset.method
    if plan.preset.mixed_precision:
        chosen["mixed_precision"] = plan.preset.mixed_precision
    if subject.on_miniature:
        # The miniature wants its own sizes and rates, whatever it is taught.
        chosen.update(demo_recipe())
        told = [text.partition("=")[2] for text in subject.settings if text.startswith(("method=", "training.method="))]
        if (told or [method])[-1] == "lora":
            chosen.update(method="lora", learning_rate=DEMO_LORA_RATE)
    if not subject.is_demo:
        noun = subject.class_noun
        article = "an" if noun[:1].lower() in "aeiou" else "a"
        chosen.update(
            instance_data_dir=str(Path(subject.photos or "").absolute()),
            instance_prompt=f"a photo of {subject.token} {noun}",
            class_prompt=f"a photo of {article} {noun}",
            pretrained_model_name_or_path=subject.model or DEFAULT_MODEL,
        )
        if not subject.on_miniature:
            chosen["max_train_steps"] = steps_for(photos)
    return tuple(f"{key}={_text(item)}" for key, item in chosen.items()) + subject.settings


def demo_recipe() -> Mapping[str, Any]:
    """The settings found by experiment for the built-in model and subject (docs/explanation/demo-model.md)."""
    recipe = trainer_source() / "demo" / "recipe.toml"
    return parse_toml(recipe.read_text(encoding="utf-8"))


def _text(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item)


def run_folder(layout: Layout, subject: Subject, settings: Tuple[str, ...]) -> Path:
    """Where the run goes: the same wish goes on in the same folder, another one gets its own."""
    if subject.output is not None:
        return subject.output.absolute()
    name = DEMO if subject.is_demo else f"{subject.token}-{subject.class_noun}".replace(" ", "-").lower()
    return layout.runs / f"{name}-{hashlib.sha256(canonical(settings).encode()).hexdigest()[:6]}"


def base_model(subject: Subject) -> str:
    """The base model in words; for one of the hub, that it may have to be fetched."""
    name = subject.model or (DEMO if subject.is_demo else DEFAULT_MODEL)
    if not _HUB_NAME.fullmatch(name):
        return "the built-in one" if name == DEMO else name
    size = f"{DEFAULT_MODEL_GB} GB" if name == DEFAULT_MODEL else "some GB"
    return f"{name} ({size} to download from the hub, unless it is here already)"


def summary_lines(
    machine: Machine, plan: Plan, subject: Subject, settings: Tuple[str, ...], folder: Path, photos: int
) -> List[str]:
    """What will happen, before it does: for the wizard and the log. `photos`: how many there are."""
    taught = (
        "the built-in demo subject"
        if subject.is_demo
        else f"{photos} photo{'s' * (photos != 1)} in {subject.photos} as '{subject.token} {subject.class_noun}'"
    )
    chosen = {key.rpartition(".")[2].strip(): text for key, _, text in (each.partition("=") for each in settings)}
    method = "a LoRA" if chosen["method"] == "lora" else "all weights"
    return [
        f"Machine:     {summary(machine)}",
        f"Environment: {one_line(plan)}",
        f"Download:    {cost(plan) or 'nothing'}",
        f"Base model:  {base_model(subject)}",
        f"Teaches:     {taught}",
        f"Training:    {method}; {training_time(plan, chosen, demo=subject.on_miniature)}",
        f"Peak memory: {peak_memory(plan, demo=subject.on_miniature)}",
        f"Results in:  {folder}",
    ]
