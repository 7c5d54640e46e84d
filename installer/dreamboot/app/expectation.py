"""What training will take, in words: for the summary that is read before anything starts."""

from __future__ import annotations

from typing import Any, Mapping

from dreamboot.model import Plan

# The demo: its 300 steps, samples and export took 2.6 minutes on two cores (docs/verified.md).
DEMO_MINUTES = "2 to 5 min"
# A step of two pictures with SD 1.5 takes 4.9 TFLOP (docs/explanation/step-on-paper.md): 10 to 50 seconds at 100 to
# 500 GFLOP/s, what 2 to 16 cores reach.
CPU_HOURS = "hours to days on a CPU, where a full-size model takes 10 to 50 seconds a step"
# Steps per photo at batch 1: docs/reference/trainer.md. The bounds are the object and face recipes of the same source.
STEPS_PER_PHOTO = 100
FEWEST_STEPS, MOST_STEPS = 400, 1200


def steps_for(photos: int) -> int:
    """Optimizer steps for so many photos, at batch size 1."""
    return min(MOST_STEPS, max(FEWEST_STEPS, STEPS_PER_PHOTO * photos))


def training_time(plan: Plan, settings: Mapping[str, Any], *, demo: bool) -> str:
    """Minutes of training as far as they are known; says what is not known."""
    if demo:
        return DEMO_MINUTES
    if plan.device == "cpu":
        return CPU_HOURS
    steps, seconds = str(settings.get("max_train_steps", "")), plan.preset.seconds_per_step
    if steps.isdecimal() and seconds:
        minutes = max(1, round(int(steps) * seconds / 60))
        return f"{steps} steps, about {minutes} min on a Tesla T4 (published); yours may differ"
    return f"{steps or 'some'} steps; no speed is published for these settings, the first steps will tell"


def peak_memory(plan: Plan, *, demo: bool) -> str:
    """What training holds at its peak: MiB of VRAM, or RAM where there is no GPU."""
    if plan.device == "cpu":
        return "about 2 GiB of RAM" if demo else "about 18 GiB of RAM (fp32 weights, gradients and optimizer states)"
    if demo:
        # Predicted by the trainer: 0.3 GiB for a step of the demo, and about half a GiB for CUDA's own context.
        return "under 1 GiB of VRAM"
    known = plan.preset.predicted_vram_mib
    return f"{known} MiB of VRAM" if known else "not known for these settings"
