"""The cheapest settings that fit: savings are tried in the order of the speed that they cost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamboot_trainer.predict.prediction import Prediction, predict
from dreamboot_trainer.predict.request import Request

KEYS: Mapping[str, str] = {
    "optimizer": "optimizer",
    "checkpointing": "gradient_checkpointing",
    "text_encoder": "train_text_encoder",
    "method": "method",
    "base": "base_precision",
}
"""Keys of the configuration for the fields of a request; `samples` stands for two keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """One change that saves memory, and what it costs (`slowdown`: seconds per picture, with over without)."""

    setting: str
    before: tuple[Any, ...]
    after: Any
    slowdown: float
    changes: bool
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Settings that fit, as keys of the configuration; `slowdown` against the request as it was."""

    settings: Mapping[str, Any]
    slowdown: float
    changes: bool
    prediction: Prediction
    why: tuple[str, ...]


def savings() -> tuple[Saving, ...]:
    """Every known saving, from costs.json."""
    rows = json.loads((Path(__file__).parent / "costs.json").read_text(encoding="utf-8"))["rows"]
    return tuple(
        Saving(
            setting=row["setting"], before=tuple(row["from"]), after=row["to"], slowdown=row["slowdown"],
            changes=row["changes"], why=row["why"],
        )
        for row in rows
    )  # fmt: skip


def ways(request: Request) -> Iterator[tuple[Saving, ...]]:
    """None, then sets of savings that apply, cheapest first: by what changes the result, then by speed, then number."""
    usable = [saving for saving in savings() if getattr(request, saving.setting) in saving.before]
    every = itertools.chain.from_iterable(itertools.combinations(usable, n) for n in range(len(usable) + 1))
    yield from sorted(
        filter(lambda chosen: _possible(request, chosen), every),
        key=lambda chosen: (bool(chosen), sum(s.changes for s in chosen), _slowdown(chosen), len(chosen)),
    )


def _possible(request: Request, chosen: tuple[Saving, ...]) -> bool:
    """Weights of 4 bits stay as they are, so an adapter is what is trained."""
    names = {saving.setting for saving in chosen}
    return "base" not in names or request.method == "lora" or "method" in names


def fit(request: Request, configs: Mapping[str, Mapping[str, Any]], vram_mib: int, **options: Any) -> Fit | None:
    """The first of `ways` whose predicted total is within `vram_mib`; None where none is.

    A way that saves a part of what another way, which did not fit, saved is passed over.
    """
    found = tuple(ways(request))
    most = max(found, key=len)
    if most and predict(_with(request, most), configs, **options).total > vram_mib:
        return None
    failed: list[frozenset[str]] = []
    for chosen in found:
        names = frozenset(saving.setting for saving in chosen)
        if any(names <= other for other in failed):
            continue
        prediction = predict(_with(request, chosen), configs, **options)
        if prediction.total <= vram_mib:
            return Fit(
                settings=_settings(request, chosen),
                slowdown=round(_slowdown(chosen), 2),
                changes=any(saving.changes for saving in chosen),
                prediction=prediction,
                why=tuple(saving.why for saving in chosen),
            )
        failed.append(names)
    return None


def _slowdown(chosen: tuple[Saving, ...]) -> float:
    product = 1.0
    for saving in chosen:
        product *= saving.slowdown
    return product


def _with(request: Request, chosen: tuple[Saving, ...]) -> Request:
    made = request
    for saving in chosen:
        made = replace(made, **{saving.setting: saving.after})
        if saving.setting == "samples":
            made = replace(made, accumulation=2 * made.accumulation)
    return made


def _settings(request: Request, chosen: tuple[Saving, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for saving in chosen:
        if saving.setting == "samples":
            found |= {"train_batch_size": 1, "gradient_accumulation_steps": 2 * request.accumulation}
        else:
            found[KEYS[saving.setting]] = saving.after
    return found
