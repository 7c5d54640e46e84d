"""What `up` refuses before anything is downloaded, and which settings a run gets."""

from __future__ import annotations

import pytest

from dreamboot.app.context import Context
from dreamboot.app.up import Subject, require_model, require_subject, run_settings
from dreamboot.host import current
from dreamboot.model import DreambootError, Plan, Preset, SourceKind, TorchBuild

TORCH = TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS)


@pytest.fixture
def context(tmp_path):
    return Context(host=current(), home=tmp_path, confirm=lambda _: True, yes=True)


def test_a_model_that_is_not_here_is_said_with_the_way_to_get_it(context, tmp_path):
    with pytest.raises(DreambootError) as caught:
        require_model(context, Subject(photos=tmp_path, class_noun="dog"))
    assert caught.value.problem.id == "model-not-local"
    assert "hf download stable-diffusion-v1-5/stable-diffusion-v1-5" in caught.value.problem.hint


@pytest.mark.parametrize("model", ["demo", "HERE"])
def test_a_model_that_is_here_passes(context, tmp_path, model):
    require_model(context, Subject(photos=tmp_path, class_noun="dog", model=model.replace("HERE", str(tmp_path))))


def test_the_demo_needs_nothing(context):
    require_subject(context, Subject())
    require_model(context, Subject())


def test_a_planned_lora_is_trained_as_one(tmp_path):
    plan = Plan(python="3.11", torch=TORCH, preset=Preset(method="lora", settings={"optimizer": "adamw8bit"}))
    settings = run_settings(Subject(photos=tmp_path, class_noun="owl", model="m", settings=("seed=3",)), plan)
    assert {"method=lora", "optimizer=adamw8bit", "class_prompt=a photo of an owl"} <= set(settings)
    assert settings[-1] == "seed=3"
