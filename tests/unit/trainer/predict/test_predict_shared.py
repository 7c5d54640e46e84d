"""What a prediction does not compute twice comes out as if it did."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer.predict import fit as fits
from dreamboot_trainer.predict import step as steps
from dreamboot_trainer.predict.as_cuda import as_on_cuda
from dreamboot_trainer.predict.loaded import Loaded
from dreamboot_trainer.predict.prediction import configs_of, predict
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.trace import NoRoomError, Recorder, Trace

SMALL = Request(family="sd1", resolution=128)


@pytest.fixture(scope="module")
def configs() -> dict[str, Any]:
    """SD 1.x's networks with two levels, one layer per block and few channels."""
    real = configs_of("sd1")
    unet = {**real["unet"], "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [32, 64],
            "cross_attention_dim": 32, "norm_num_groups": 16, "layers_per_block": 1}  # fmt: skip
    encoder = {**real["text_encoder"], "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 2, "projection_dim": 32}  # fmt: skip
    small = {"unet": unet, "text_encoder": encoder, "vae": {**real["vae"], "block_out_channels": [16] * 4,
                                                            "norm_num_groups": 8}}  # fmt: skip
    # Some tensors are made by torch only once in a process: they are not what is compared.
    steps.recording(SMALL, small)
    return small


def in_order(trace: Trace, begin: int) -> list[int]:
    """Sizes of the steps, until the last mark: what Python's collector takes later is not part of them. What is freed
    at once (torch's casted weights, at the end of autocast) is freed in another order each time; here by size.
    """
    sizes = [event.size for event in trace.events[begin : trace.marks[-1]]]
    groups = itertools.groupby(sizes, key=lambda size: size > 0)
    return [size for made, group in groups for size in (group if made else sorted(group))]


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulation": 4},
        {"checkpointing": True, "text_encoder": True, "accumulation": 3},
        {"method": "lora", "dropout": 0.1, "dora": True, "ema": True},
        {"cached": False, "attention": "naive", "mixed_precision": "no"},
    ],
)
def test_repeated_steps_are_as_computed_ones(configs: Any, changes: Any) -> None:
    request = replace(SMALL, **changes)
    with as_on_cuda(Recorder()) as recorder:
        step = steps.Step(Loaded(request, configs, recorder))
        begin = len(recorder.trace.events)
        for _ in range(steps.STEPS):
            for _ in range(request.accumulation):
                step.loss().backward()
            recorder.mark()
            for weight in step.trained:
                weight.grad = None
    computed, found = recorder.trace, steps.recording(request, configs).trace
    first = computed.marks[0] - begin
    assert [mark - found.marks[0] for mark in found.marks] == [mark - computed.marks[0] for mark in computed.marks]
    assert in_order(found, found.marks[0] - first) == in_order(computed, begin)
    assert found.peak() == computed.peak()


def test_the_first_settings_that_fit_are_those_of_a_search_without_short_cuts(configs: Any, monkeypatch: Any) -> None:
    wish = replace(SMALL, resolution=512)
    made: list[Request] = []
    recording = steps.recording

    def noted(request: Request, *others: Any) -> Any:
        made.append(request)
        return recording(request, *others)

    totals = {way: predict(fits._with(wish, way), configs).total for way in fits.ways(wish)}
    firsts = {
        vram: next((fits._settings(wish, way) for way, total in totals.items() if total <= vram), None)
        for vram in sorted({*totals.values(), min(totals.values()) - 1})
    }
    monkeypatch.setattr(steps, "recording", noted)
    # Of the sizes that come to the same settings the smallest and the largest: there the search has least room to err.
    for _, group in itertools.groupby(firsts, key=lambda vram: firsts[vram]):
        alike = list(group)
        for vram in {alike[0], alike[-1]}:
            made.clear()
            found = fits.fit(wish, configs, vram)
            assert (found.settings if found else None) == firsts[vram]
            assert len(made) == len(set(made))
            assert {request.optimizer for request in made} == {"adamw"}


def test_a_recording_ends_as_soon_as_there_is_no_room(configs: Any) -> None:
    whole = sum(steps.recording(SMALL, configs).trace.peak().values())
    assert steps.recording(SMALL, configs, whole).trace.events
    with pytest.raises(NoRoomError):
        steps.recording(SMALL, configs, whole - 1)
