"""The deepest question to an environment: does it train? One step of the demo model, by the environment's Python."""

from __future__ import annotations

import os
from typing import Sequence, Tuple

from dreamboot import catalog
from dreamboot.app.context import Context
from dreamboot.building.layout import Layout
from dreamboot.building.training_step import SECONDS, has_demo, run_step
from dreamboot.catalog.versions import at_least
from dreamboot.doctor.deep import failed
from dreamboot.doctor.facts.values import Facts
from dreamboot.launching import trainer
from dreamboot.model import DreambootError, Finding, FixStep, Status

NAME, AREA = "deep-training-step", "corrupted-install"
# What a step takes part of; peft and bitsandbytes are only taken by runs that ask for them.
NEEDED = ("torch", "diffusers", "transformers", "accelerate")


def try_training(context: Context, facts: Facts, findings: Sequence[Finding]) -> Finding:
    """One finding. Skipped, with the reason, where today's trainer can't run or a part of it is known to be broken."""
    try:
        missing = _missing(facts, findings) if has_demo(context.host) else ("the demo model",)
    except DreambootError:
        missing = ("the trainer's code beside dreamboot",)
    if missing:
        return Finding(id=NAME, area=AREA, status=Status.SKIPPED, evidence=f"needs {', '.join(missing)}")
    layout = Layout(home=context.home)
    code = str(trainer.place_trainer(context.host, layout))
    variables = {**context.host.environ, "PYTHONPATH": code, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    # A folder of its own: two doctors may be at work.
    folder = layout.runs / f".doctor-trial-{os.getpid()}"
    done = run_step(context.host, facts.target.python, folder, variables)
    if done.ok:
        evidence = f"one step of the demo model, with all that belongs to a run, in {done.seconds:.0f} s"
        return Finding(id=NAME, area=AREA, status=Status.OK, evidence=evidence)
    again = FixStep(
        command=f"dreamboot doctor --python {facts.target.python} --deep --report doctor.zip",
        changes="nothing: tries the step again, and writes findings and facts for whoever helps you",
    )
    return failed(NAME, AREA, "One training step of the demo model fails.", done, SECONDS, again)


def _missing(facts: Facts, findings: Sequence[Finding]) -> Tuple[str, ...]:
    known = catalog.load()
    versions = {
        name: facts.torch.version if name == "torch" and facts.torch else facts.version(name) for name in NEEDED
    }
    versions["python"] = facts.target.version
    broken = {one.id for one in findings if one.status in (Status.ERROR, Status.CRASHED)}
    missing = [f"deep-import-{name}" for name in NEEDED if f"deep-import-{name}" in broken]
    for name, version in versions.items():
        oldest = known.floor(name).oldest
        if not version or not at_least(version, oldest):
            missing.append(f"{name} {oldest} or newer")
    return tuple(missing)
