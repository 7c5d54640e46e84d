"""The built-in demo model, as `up` exports it."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

import dreamboot_trainer
from dreamboot_trainer.convert import detect, from_original, to_original
from support.tiny_families import assert_same, tensors

DEMO = Path(dreamboot_trainer.__file__).parent / "demo" / "model"
pytestmark = pytest.mark.skipif(not (DEMO / "model_index.json").is_file(), reason="the demo model is not trained yet")


def test_there_and_back_with_its_own_tokenizer(tmp_path):
    file = tmp_path / "demo.safetensors"
    to_original(DEMO, file, dtype="keep")
    from_original(file, tmp_path / "demo")
    assert detect(file) == "sd1"
    assert_same(tensors(DEMO), tensors(tmp_path / "demo"))
    for path in (DEMO / "tokenizer").iterdir():
        if path.name != "tokenizer_config.json":  # the same settings in another order
            assert (tmp_path / "demo" / "tokenizer" / path.name).read_bytes() == path.read_bytes()


def test_the_export_has_the_names_of_the_original_release(tmp_path):
    """The four prefixes, and the layers of the published file that a model of fewer channels also has."""
    from support.tiny_families import published

    to_original(DEMO, tmp_path / "demo.safetensors")
    names = load_file(tmp_path / "demo.safetensors").keys()
    parts = {name.split(".")[0] for name in names if "." in name}
    assert parts == {"model", "first_stage_model", "cond_stage_model"}
    text = {name for name in published("sd15") if name.startswith("cond_stage_model.")}
    assert {name for name in names if name.startswith("cond_stage_model.")} == text
