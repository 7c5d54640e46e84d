"""One real training step in the new environment: the built-in demo model, its photos, the device of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence

from dreamboot.building.layout import GenerationLayout, Layout
from dreamboot.host import Host
from dreamboot.launching import trainer
from dreamboot.model import DreambootError, Environment, Plan, Problem

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
    model = trainer.trainer_source() / "demo" / "model"
    photos = trainer.trainer_source() / "demo" / "subject" / "photos"
    if not host.exists(model / "model_index.json") or not host.list_dir(photos):
        return None
    if plan.profile:
        photo = photos / host.list_dir(photos)[0]
        return _old_step(host, plan, generation, variables, [str(model), str(photo)])
    folder = generation.path / "trial"
    host.remove(folder)
    environment = Environment(
        name="", root=str(generation.path.parent.parent), generation=generation.number,
        python=str(generation.python(host.system)), plan_id=plan.id,
    )  # fmt: skip
    settings = (
        *SETTINGS, f"pretrained_model_name_or_path={model}", f"instance_data_dir={photos}", f"output_dir={folder}",
        f"mixed_precision={plan.preset.mixed_precision or 'auto'}", *_device(plan),
    )  # fmt: skip
    arguments = ["train", "--json", *(word for setting in settings for word in ("--set", setting))]
    inside: Dict[str, str] = {
        **variables,
        **trainer.trainer_environment(host, trainer.place_trainer(host, layout), plan),
    }
    # Its standard input is closed at once here; that shall not stop it.
    inside.pop("DREAMBOOT_STOP_ON_STDIN_EOF", None)
    try:
        done = host.run(trainer.direct_command(environment, arguments), timeout=SECONDS, env=inside)
    finally:
        host.remove(folder)
    if not done.ok:
        raise DreambootError(_failed(done.timed_out, done.stdout + "\n" + done.stderr, done.returncode))
    return done.seconds


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
