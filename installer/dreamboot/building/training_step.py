"""One real training step in the new environment: the built-in demo model, its photos, the device of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Optional, Sequence

from dreamboot.building.layout import GenerationLayout, Layout
from dreamboot.host import Host
from dreamboot.host.base import Completed
from dreamboot.launching import trainer
from dreamboot.model import DreambootError, Plan, Problem

# 7 s of processor time on two cores with warm files; a cold, slow or scanned disk may need many times that.
SECONDS = 600.0
SETTINGS = (
    "with_prior_preservation=false", "max_train_steps=1", "resolution=64", "num_validation_images=0",
    "save_original=false", "learning_rate=0.0001", "instance_prompt=a photo of sks animal",
)  # fmt: skip


def training_step(
    host: Host, layout: Layout, plan: Plan, generation: GenerationLayout, variables: Mapping[str, str]
) -> Optional[float]:
    """Train one step; its seconds. None where there is nothing to train: no demo model, no diffusers.

    Raises `DreambootError` with the trainer's own words.
    """
    if not has_demo(host):
        return None
    if plan.profile:
        photos = trainer.trainer_source() / "demo" / "subject" / "photos"
        photo = photos / host.list_dir(photos)[0]
        return _old_step(host, plan, generation, variables, [str(photos.parents[1] / "model"), str(photo)])
    place = trainer.place_trainer(host, layout)
    inside = {**variables, **trainer.trainer_environment(host, place, plan)}
    python = str(generation.python(host.system))
    settings = (f"mixed_precision={plan.preset.mixed_precision or 'auto'}", *_device(plan))
    done = run_step(host, python, generation.path / "trial", inside, settings)
    if not done.ok:
        raise DreambootError(_failed(done.timed_out, done.stdout + "\n" + done.stderr, done.returncode))
    return done.seconds


def has_demo(host: Host) -> bool:
    """Whether the demo model and its photos came with the trainer."""
    demo = trainer.trainer_source() / "demo"
    return host.exists(demo / "model" / "model_index.json") and bool(host.list_dir(demo / "subject" / "photos"))


def run_step(
    host: Host, python: str, folder: Path, variables: Mapping[str, str], settings: Sequence[str] = ()
) -> Completed:
    """One step of the demo by `python`, which finds the trainer by `variables`. `folder` is used, and removed."""
    demo = trainer.trainer_source() / "demo"
    host.remove(folder)
    all_settings = (
        *SETTINGS, f"pretrained_model_name_or_path={demo / 'model'}",
        f"instance_data_dir={demo / 'subject' / 'photos'}", f"output_dir={folder}", *settings,
    )  # fmt: skip
    words = [word for setting in all_settings for word in ("--set", setting)]
    # Its standard input is closed at once here; that shall not stop it.
    inside = {name: text for name, text in variables.items() if name != "DREAMBOOT_STOP_ON_STDIN_EOF"}
    try:
        return host.run([python, "-m", trainer.PACKAGE, "train", "--json", *words], timeout=SECONDS, env=inside)
    finally:
        host.remove(folder)


def _old_step(
    host: Host, plan: Plan, generation: GenerationLayout, variables: Mapping[str, str], arguments: Sequence[str]
) -> Optional[float]:
    """Named profiles are old stacks; the trainer is written for today's libraries and Python 3.10 or newer."""
    if "diffusers" not in plan.packages:
        return None
    child = Path(__file__).with_name("old_step_child.py")
    argv = [str(generation.python(host.system)), "-I", str(child), *arguments]
    done = host.run(argv, timeout=SECONDS, env={**variables, **plan.environment})
    if not done.ok:
        raise DreambootError(_failed(done.timed_out, done.stdout + "\n" + done.stderr, done.returncode))
    return done.seconds


def _device(plan: Plan) -> tuple[str, ...]:
    return (f"device={'cuda' if plan.device == 'rocm' else plan.device}",)


def _failed(timed_out: bool, said: str, code: int) -> Problem:
    tail = " ".join(said.split()[-80:])
    return Problem(
        id="verify-failed",
        what="The new environment does not train: one step of the demo model failed.",
        cause=f"It took longer than {SECONDS:.0f} s." if timed_out else f"It ended with code {code}: {tail}",
        hint="The environment in use before stays in use. Name the cause with: dreamboot doctor",
    )
