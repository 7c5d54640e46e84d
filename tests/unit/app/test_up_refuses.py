"""What `up` refuses before anything is downloaded, and which settings a run gets."""

from __future__ import annotations

import sys

import pytest

from dreamboot.app.context import Context
from dreamboot.app.train import require_settings
from dreamboot.app.up import Subject, base_model, require_model, require_subject, run_settings, summary_lines
from dreamboot.host import current
from dreamboot.model import DreambootError, Machine, Plan, Preset, SourceKind, TorchBuild

TORCH = TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS)


@pytest.fixture
def context(tmp_path):
    return Context(host=current(), home=tmp_path, confirm=lambda _: True, yes=True)


@pytest.mark.parametrize("model", ["/no/such/folder", "sd15", "C:\\models\\sd15", "a/b/c", "model.safetensors"])
def test_a_path_that_is_not_here_is_said_before_anything_is_built(context, tmp_path, model):
    with pytest.raises(DreambootError) as caught:
        require_model(context, Subject(photos=tmp_path, class_noun="dog", model=model))
    assert caught.value.problem.id == "model-not-local"
    assert "OWNER/NAME" in caught.value.problem.cause


def test_the_summary_says_that_a_model_may_have_to_be_downloaded(tmp_path):
    assert "4.3 GB to download" in base_model(Subject(photos=tmp_path))
    assert base_model(Subject()) == "the built-in one"
    assert base_model(Subject(photos=tmp_path, model="/sd15")) == "/sd15"


@pytest.mark.parametrize("model", ["demo", "HERE", "", "them/model"])
def test_a_model_that_is_here_or_on_the_hub_passes(context, tmp_path, model):
    require_model(context, Subject(photos=tmp_path, class_noun="dog", model=model.replace("HERE", str(tmp_path))))


def test_the_demo_needs_nothing(context):
    require_subject(context, Subject())
    require_model(context, Subject())


def test_a_planned_lora_is_trained_as_one(tmp_path):
    plan = Plan(python="3.11", torch=TORCH, preset=Preset(method="lora", settings={"optimizer": "adamw8bit"}))
    settings = run_settings(Subject(photos=tmp_path, class_noun="owl", model="m", settings=("seed=3",)), plan)
    assert {"method=lora", "optimizer=adamw8bit", "class_prompt=a photo of an owl"} <= set(settings)
    assert settings[-1] == "seed=3"


def test_a_misspelt_setting_is_said_before_anything_is_built(context):
    plan = Plan(python="3.11", torch=TORCH, python_path=sys.executable)
    with pytest.raises(DreambootError) as caught:
        require_settings(context, plan, ("seed=3", "lerning_rate=1e-6"))
    assert caught.value.problem.id == "config-unknown-key"
    assert "learning_rate" in caught.value.problem.hint


@pytest.mark.parametrize("python", [sys.executable, ""])
def test_settings_of_the_schema_pass(context, python):
    require_settings(context, Plan(python="3.11", torch=TORCH, python_path=python), ("learning_rate=1e-6",))


def test_photos_on_the_built_in_model_get_its_sizes_and_rates(tmp_path):
    plan = Plan(python="3.11", torch=TORCH, preset=Preset(method="lora", settings={"resolution": 512}))
    settings = run_settings(Subject(photos=tmp_path, class_noun="owl", model="demo"), plan, photos=5)
    assert {"resolution=128", "learning_rate=0.0002", "method=full", "max_train_steps=300"} <= set(settings)
    assert {f"instance_data_dir={tmp_path}", "instance_prompt=a photo of sks owl"} <= set(settings)


@pytest.mark.parametrize("asked", [{"method": "lora"}, {"settings": ("method=lora",)}])
@pytest.mark.parametrize("photos", [True, False])
def test_a_lora_of_the_built_in_model_is_one_where_it_is_asked_for(tmp_path, asked, photos):
    subject = Subject(
        photos=tmp_path if photos else None, class_noun="owl", model="demo", settings=asked.get("settings", ())
    )
    plan = Plan(python="3.11", torch=TORCH, preset=Preset(method="full", settings={}))
    settings = run_settings(subject, plan, photos=5, method=asked.get("method", "full"))
    chosen = dict(text.partition("=")[::2] for text in settings)
    assert (chosen["method"], chosen["learning_rate"]) == ("lora", "0.001")


def test_the_last_word_on_the_method_decides_its_rate():
    plan = Plan(python="3.11", torch=TORCH, preset=Preset(method="lora", settings={}))
    settings = run_settings(Subject(settings=("method=full",)), plan, method="lora")
    chosen = dict(text.partition("=")[::2] for text in settings)
    assert (chosen["method"], chosen["learning_rate"]) == ("full", "0.0002")


@pytest.mark.parametrize(
    ("settings", "method"), [((), "a LoRA"), (("training.method=full",), "all weights"), (("method=lora",), "a LoRA")]
)
def test_the_summary_says_what_is_trained_and_from_how_many_photos(tmp_path, settings, method):
    plan = Plan(python="3.11", torch=TORCH, device="cuda", preset=Preset(method="lora", settings={}))
    subject = Subject(photos=tmp_path, class_noun="owl", model="m", settings=settings)
    lines = summary_lines(Machine(os="linux"), plan, subject, run_settings(subject, plan, 5), tmp_path, 5)
    assert f"Teaches:     5 photos in {tmp_path} as 'sks owl'" in lines
    assert any(line.startswith(f"Training:    {method}; 500 steps") for line in lines)


def test_what_is_to_be_pasted_is_quoted(context, tmp_path):
    (tmp_path / "my photos").mkdir()
    (tmp_path / "my photos" / "a.jpg").touch()
    with pytest.raises(DreambootError) as caught:
        require_subject(context, Subject(photos=tmp_path / "my photos"))
    assert f"--photos '{tmp_path}/my photos' --class" in caught.value.problem.hint
