"""Sizes of optimizer states against the optimizers' own, after a step on the CPU."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer import optim
from dreamboot_trainer.config import OPTIMIZERS, Optimizer
from dreamboot_trainer.predict.states import BLOCK, MIN_PAGED, sizes, workspace
from dreamboot_trainer.predict.trace import ACTIVATIONS, Recorder

SHAPES = ((8,), (48, 80), (64, 128), (32, 16, 3, 3), (640, 320))
LIBRARIES = {"prodigy": "prodigyopt"}


def settings(name, implementation="auto"):
    return replace(Optimizer(), optimizer=name, optimizer_implementation=implementation, learning_rate=1e-4)


def stepped(name, implementation="auto"):
    """The optimizer after a step: one weight for each shape, none of them zeros."""
    weights = [torch.nn.Parameter(torch.ones(shape)) for shape in SHAPES]
    made, _ = optim.build([{"params": weights, "lr": 1e-4}], settings(name, implementation), "cpu")
    for weight in weights:
        weight.grad = torch.full_like(weight, 0.1)
    made.step()
    return made, weights


def bytes_of(made, weight):
    """Without the 8-bit codes' meanings, which all weights share."""
    return sum(
        item.untyped_storage().nbytes()
        for name, item in made.state[weight].items()
        if isinstance(item, torch.Tensor) and not name.startswith("qmap")
    )


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("adamw", "fused"), ("sgd", "foreach"), ("adafactor", "auto"), ("prodigy", "auto"), ("adamw8bit", "auto"),
        ("lion", "auto"), ("lion8bit", "auto"), ("ademamix8bit", "auto"),
    ],
)  # fmt: skip
def test_states_are_as_large_as_the_optimizer_makes_them(name, implementation):
    pytest.importorskip(LIBRARIES.get(name, "bitsandbytes"))
    made, weights = stepped(name, implementation)
    found = [bytes_of(made, weight) for weight in weights]
    assert found == [sum(sizes(weight.shape, name, implementation=implementation)) for weight in weights]


@pytest.mark.parametrize("name", ["paged_adamw", "paged_adamw8bit", "paged_lion8bit"])
def test_paged_states_of_small_weights_stay_and_of_large_ones_leave_their_scales(name):
    plain = {"paged_adamw": (8, 8), "paged_adamw8bit": (2, 2 * 4 / BLOCK), "paged_lion8bit": (1, 4 / BLOCK)}[name]
    below, above = MIN_PAGED // BLOCK * BLOCK, 2 * MIN_PAGED // BLOCK * BLOCK
    extra = 0 if name == "paged_adamw" else plain[1]
    assert sum(sizes((below,), name)) == below * (plain[0] + extra)
    assert sum(sizes((above,), name)) == above * extra


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("adamw", "fused"), ("adamw", "foreach"), ("adamw", "loop"), ("sgd", "foreach"), ("adafactor", "auto"),
        ("prodigy", "auto"), ("adamw8bit", "auto"), ("lion", "auto"),
    ],
)  # fmt: skip
def test_the_workspace_is_what_a_step_takes_beside(name, implementation):
    """Counted on real tensors; all optimizers but those of bitsandbytes are written in torch's own operations."""
    pytest.importorskip(LIBRARIES.get(name, "bitsandbytes"))
    made, weights = stepped(name, implementation)
    with Recorder() as recorder:
        for weight in weights:
            recorder.label(weight.data, "there")
            recorder.label(weight.grad, "there")
            for state in made.state[weight].values():
                if isinstance(state, torch.Tensor):
                    recorder.label(state, "there")
        made.step()
        taken = recorder.trace.peak().get(ACTIVATIONS, 0)
    assert workspace(SHAPES, name, implementation) == pytest.approx(taken, rel=0.03)


def test_every_optimizer_is_known():
    for name in OPTIMIZERS:
        assert all(size >= 0 for size in sizes((64, 128), name))
        assert sizes((64, 128), name)
