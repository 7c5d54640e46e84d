"""Stated machines with the plan that is expected of each: the data, and its one reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

from dreamboot.machine.stated import state_machine
from dreamboot.model import Decision, Machine, Plan, Wish
from dreamboot.values import from_json, parse_toml, value

FOLDER = Path(__file__).parent


@value
class Case:
    """One stated machine, what is wished for on it, and what the plan must be."""

    name: str
    machine: Machine
    wish: Wish
    expect: Dict[str, Any]


def cases() -> Iterator[Case]:
    """Every case of every file."""
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in parse_toml(path.read_text(encoding="utf-8"))["case"]:
            yield Case(
                name=f"{path.stem}: {entry['name']}",
                machine=state_machine(entry["machine"]),
                wish=from_json(Wish, entry.get("wish", {})),
                expect=entry["expect"],
            )


def differences(decision: Decision, expect: Dict[str, Any]) -> Iterator[Tuple[str, Any, Any]]:
    """(what, expected, found) for everything that is not as expected."""
    for key, wanted in expect.items():
        found, fits = _compare(decision, key, wanted)
        if not fits:
            yield key, wanted, found


def _compare(decision: Decision, key: str, wanted: Any) -> Tuple[Any, bool]:
    if not isinstance(decision, Plan):
        problem = decision.problem
        known = " ".join(conflict.id for conflict in decision.conflicts)
        texts = {"refused": problem.id, "hint": problem.hint, "cause": problem.cause, "conflict": known}
        found = texts.get(key, f"refused: {problem.id}: {problem.cause} -> {problem.hint}")
        return found, found == wanted if key == "refused" else key in texts and wanted in found
    if key in ("refused", "hint", "cause"):
        return f"torch {decision.torch.local_version}", False
    return _of_plan(decision, key, wanted)


def _of_plan(plan: Plan, key: str, wanted: Any) -> Tuple[Any, bool]:
    simple = {
        "torch": plan.torch.version, "tag": plan.torch.tag, "source": plan.torch.source.value, "url": plan.torch.url,
        "local_version": plan.torch.local_version, "python": plan.python, "device": plan.device,
        "gpus": list(plan.gpus), "precision": plan.preset.mixed_precision, "method": plan.preset.method,
        "attention": plan.attention, "peak": plan.preset.predicted_vram_mib, "downloaded": not plan.python_path,
    }  # fmt: skip
    if key in simple:
        return simple[key], simple[key] == wanted
    if key in ("packages", "environment", "accelerate", "settings"):
        holder = plan.preset.settings if key == "settings" else getattr(plan, key)
        found = {name: holder.get(name) for name in wanted} if wanted else dict(holder)
        usual = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
        return found, found == wanted or (not wanted and found == usual)
    if key == "without":
        return sorted(plan.packages), not set(wanted) & set(plan.packages)
    if key == "because":
        texts = [f"{choice.value} {choice.reason}" for choice in plan.because]
        return texts, any(wanted in text for text in texts)
    if key == "warning":
        return plan.warnings, any(wanted in text for text in plan.warnings)
    if key == "rejected":
        candidate, rule = wanted
        same = [row for row in plan.rejected if candidate in row.candidate]
        return same, any(row.rule == rule for row in same)
    if key == "conflict":
        candidate, identifier = wanted
        same = [row for row in plan.rejected if candidate in row.candidate]
        return same, any(row.conflict and row.conflict.id == identifier for row in same)
    raise KeyError(key)
