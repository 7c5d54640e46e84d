"""The cheapest settings that fit: savings are tried in the order of the speed that they cost."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.predict.prediction import MIB, Prediction, context_mib, prediction_of
from dreamboot_trainer.predict.request import Request

if TYPE_CHECKING:
    from dreamboot_trainer.predict.step import Recording

KEYS: Mapping[str, str] = {
    "optimizer": "optimizer",
    "checkpointing": "gradient_checkpointing",
    "text_encoder": "train_text_encoder",
    "method": "method",
    "base": "base_precision",
    "resolution": "resolution",
}
"""Keys of the configuration for the fields of a request; `samples` stands for two keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """One change that saves memory, and what it costs (`slowdown`: seconds per picture, with over without).

    `changes`: the result is another one. `last`: by so much that it is tried when nothing else fits.
    """

    setting: str
    before: tuple[Any, ...]
    after: Any
    slowdown: float
    changes: bool
    last: bool
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Settings that fit, as keys of the configuration; `slowdown` against the request as it was.

    `asked`: the prediction of the request as it was; None where its recording ended because the card was full.
    """

    settings: Mapping[str, Any]
    slowdown: float
    changes: bool
    prediction: Prediction
    asked: Prediction | None
    why: tuple[str, ...]


def savings() -> tuple[Saving, ...]:
    """Every known saving, from costs.json."""
    rows = json.loads((Path(__file__).parent / "costs.json").read_text(encoding="utf-8"))["rows"]
    return tuple(
        Saving(
            setting=row["setting"], before=tuple(row["from"]), after=row["to"], slowdown=row["slowdown"],
            changes=row["changes"], last=row.get("last", False), why=row["why"],
        )
        for row in rows
    )  # fmt: skip


def ways(request: Request) -> Iterator[tuple[Saving, ...]]:
    """None, then sets of savings that apply, cheapest first: by what changes the result, then by speed, then number."""
    usable = [saving for saving in savings() if getattr(request, saving.setting) in saving.before]
    every = itertools.chain.from_iterable(itertools.combinations(usable, n) for n in range(len(usable) + 1))
    yield from sorted(
        filter(lambda chosen: _possible(request, chosen), every),
        key=lambda chosen: (
            bool(chosen),
            any(s.last for s in chosen),
            sum(s.changes for s in chosen),
            _slowdown(chosen),
            len(chosen),
        ),
    )


def _possible(request: Request, chosen: tuple[Saving, ...]) -> bool:
    """Weights of 4 bits stay as they are, so an adapter is what is trained."""
    names = {saving.setting for saving in chosen}
    return "base" not in names or request.method == "lora" or "method" in names


def fit(
    request: Request, configs: Mapping[str, Mapping[str, Any]], vram_mib: int, *, loading: str = "lazy"
) -> Fit | None:
    """The first of `ways` whose predicted total is within `vram_mib`; None where none is.

    A way that saves a part of what another way, which did not fit, saved is passed over.
    """
    found = tuple(ways(request))
    predictions = _Predictions(configs, vram_mib, loading)
    failed: list[frozenset[str]] = []
    asked: Prediction | None = None
    for chosen in found:
        names = frozenset(saving.setting for saving in chosen)
        if any(_saves_more(other, names) for other in failed):
            continue
        # Where the request as it is does not fit: before all others are tried, whether any can.
        if len(failed) == 1 and not any(predictions.fits(_with(request, most)) for most in _widest(found)):
            return None
        prediction = predictions.of(_with(request, chosen))
        if not chosen:
            asked = prediction
        if prediction is not None and prediction.total <= vram_mib:
            return Fit(
                settings=_settings(request, chosen),
                slowdown=round(_slowdown(chosen), 2),
                changes=any(saving.changes for saving in chosen),
                prediction=prediction,
                asked=asked,
                why=tuple(_why(request, saving) for saving in chosen),
            )
        failed.append(names)
    return None


def _saves_more(names: frozenset[str], others: frozenset[str]) -> bool:
    """The same savings and maybe others. Of 4-bit weights that is not said: in a small model their workspace may be
    more than what they save.
    """
    return names >= others and ("base" in names) == ("base" in others)


def _widest(found: tuple[tuple[Saving, ...], ...]) -> Iterator[tuple[Saving, ...]]:
    """Ways of most savings, one of which fits where any does: without 4-bit weights (sooner recorded), and with."""
    for base in (False, True):
        yield max(
            (way for way in found if any(saving.setting == "base" for saving in way) is base), key=len, default=()
        )


class _Predictions:
    """Predictions against one amount of memory. Requests that differ in their optimizer share a recording."""

    def __init__(self, configs: Mapping[str, Mapping[str, Any]], vram_mib: int, loading: str) -> None:
        self._configs, self._vram, self._loading = configs, vram_mib, loading
        self._recordings: dict[Request, Recording | None] = {}

    def fits(self, request: Request) -> bool:
        """Whether it is within the memory."""
        prediction = self.of(request)
        return prediction is not None and prediction.total <= self._vram

    def of(self, request: Request) -> Prediction | None:
        """The prediction; None where its recording ended because the memory was full."""
        from dreamboot_trainer.predict.step import recording
        from dreamboot_trainer.predict.trace import NoRoomError
        from dreamboot_trainer.predict.with_optimizer import with_optimizer

        begun = time.monotonic()
        room = (self._vram - context_mib(self._loading)) * MIB
        if room <= 0:
            return None
        key = replace(request, optimizer="adamw", implementation="auto")
        if key not in self._recordings:
            try:
                self._recordings[key] = recording(key, self._configs, room)
            except NoRoomError:
                self._recordings[key] = None
        found = self._recordings[key]
        if found is None:
            return None
        trace = with_optimizer(found.trace, found.weights, request.optimizer, request.implementation)
        return prediction_of(trace, begun, loading=self._loading)


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
    return {key: value for saving in chosen for key, value in _keys(request, saving).items()}


def _keys(request: Request, saving: Saving) -> dict[str, Any]:
    """The keys of the configuration that one saving sets."""
    if saving.setting == "samples":
        return {"train_batch_size": 1, "gradient_accumulation_steps": 2 * request.accumulation}
    return {KEYS[saving.setting]: saving.after}


def _why(request: Request, saving: Saving) -> str:
    return f"{', '.join(f'{key} = {value}' for key, value in _keys(request, saving).items())}: {saving.why}"
