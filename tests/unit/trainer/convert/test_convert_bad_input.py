"""Bad input gives a Problem with a next command; nothing is half written, and nothing that was there is changed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import types

import pytest
import torch
from safetensors.torch import load_file, save_file

from dreamboot_trainer.convert import detect, from_original, to_original
from dreamboot_trainer.problems import TrainerError
from support.tiny_families import assert_same, tensors


@pytest.fixture
def checkpoint(models, tmp_path):
    path = tmp_path / "model.safetensors"
    to_original(models["sd1"], path, dtype="keep")
    return path


def refused(tmp_path, action):
    """The Problem that `action` raises. Nothing in `tmp_path` may have come, gone or changed."""
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(TrainerError) as caught:
        action()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    problem = caught.value.problem
    assert problem.what
    assert problem.cause
    assert problem.hint
    return problem


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_not_run(tmp_path, zipped):
    evil = {"state_dict": {"weight": torch.zeros(1)}, "callback": Attack(tmp_path / "owned")}
    torch.save(evil, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=zipped)
    problem = refused(tmp_path, lambda: from_original(tmp_path / "evil.ckpt", tmp_path / "out"))
    assert problem.id == "convert-unsafe-pickle"
    assert "mkdir" in problem.cause
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(("protocol", "problem"), [(2, "unsafe-pickle"), (5, "unreadable-file")])
def test_a_bare_malicious_pickle_is_not_run(tmp_path, protocol, problem):
    """torch.save writes protocol 2 only; newer ones are refused at their first byte."""
    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps(Attack(tmp_path / "owned"), protocol))
    assert refused(tmp_path, lambda: detect(tmp_path / "evil.ckpt")).id == f"convert-{problem}"
    assert not (tmp_path / "owned").exists()


def test_a_malicious_bin_in_a_folder_is_not_run(models, tmp_path):
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"x": Attack(tmp_path / "owned")}, folder / "unet" / "diffusion_pytorch_model.bin")
    problem = refused(tmp_path, lambda: to_original(folder, tmp_path / "out.safetensors"))
    assert problem.id == "convert-unsafe-pickle"


def test_what_lightning_leaves_in_a_checkpoint_is_harmless(models, checkpoint, tmp_path, monkeypatch):
    """The published v1 .ckpt files hold a callback class and numpy scalars. Plain weights_only loading refuses them."""
    import numpy as np

    names = ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    saver = type("ModelCheckpoint", (), {"__module__": names[-1]})
    sys.modules[names[-1]].ModelCheckpoint = saver
    state = {"best_model_score": np.float64(1.5), "best_k_models": {"a.ckpt": np.float32(2.0)}}
    content = {"state_dict": load_file(checkpoint), "callbacks": {saver: state}, "epoch": 1}
    torch.save(content, tmp_path / "lightning.ckpt")
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "lightning.ckpt", weights_only=True)
    from_original(tmp_path / "lightning.ckpt", tmp_path / "out", config_dir=models["sd1"])
    assert_same(tensors(tmp_path / "out"), tensors(models["sd1"]))


def test_the_old_pickle_format_is_read_too(models, checkpoint, tmp_path):
    path = tmp_path / "old.ckpt"
    torch.save({"state_dict": load_file(checkpoint)}, path, _use_new_zipfile_serialization=False)
    from_original(path, tmp_path / "out", config_dir=models["sd1"])
    assert_same(tensors(tmp_path / "out"), tensors(models["sd1"]))


@pytest.mark.parametrize("keep", [0, 1, 4, 9, 100, 5000, -1])
def test_a_truncated_file(checkpoint, tmp_path, keep):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:keep])
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out"))
    assert problem.id == "convert-unreadable-file"
    assert str(checkpoint) in problem.what


@pytest.mark.parametrize("keep", [0, 10, 1000, 100_000, -1])
def test_a_truncated_ckpt(checkpoint, tmp_path, keep):
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": load_file(checkpoint)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(tmp_path, lambda: from_original(path, tmp_path / "out")).id == "convert-unreadable-file"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"this is not a model, but it is long enough"),
        ("model.ckpt", b"this is not a model, but it is long enough"),
        ("model.ckpt", pickle.dumps([1, 2, 3])),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ("model.safetensors", b"\x10\0\0\0\0\0\0\0{" + b"}" * 15),
        ("model.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
    ],
)
def test_a_file_of_another_kind(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    problem = refused(tmp_path, lambda: from_original(tmp_path / name, tmp_path / "out"))
    assert problem.id == "convert-unreadable-file"
    if b"git-lfs" in content:
        assert "git lfs pull" in problem.cause


def test_a_missing_source(tmp_path):
    assert refused(tmp_path, lambda: from_original(tmp_path / "no.ckpt", tmp_path / "x")).id == "convert-source-missing"
    assert refused(tmp_path, lambda: detect(tmp_path / "no")).id == "convert-source-missing"


@pytest.mark.parametrize(
    "names",
    [
        ["lora_unet_a.lora_down.weight"],
        ["encoder.conv_in.weight", "decoder.conv_in.weight"],
        ["model.diffusion_model.input_blocks.0.0.weight"],
        [
            "model.diffusion_model.input_blocks.0.0.weight",
            "cond_stage_model.model.ln_final.weight",
            "depth_model.model.pretrained.x",
        ],
        ["model.diffusion_model.input_blocks.0.0.weight", "conditioner.embedders.0.model.ln_final.weight"],
    ],
)
def test_files_of_other_families(tmp_path, names):
    save_file({name: torch.zeros(4) for name in names}, tmp_path / "m.safetensors")
    problem = refused(tmp_path, lambda: from_original(tmp_path / "m.safetensors", tmp_path / "out"))
    assert problem.id == "convert-unknown-family"
    assert sorted(names)[0] in problem.cause


@pytest.mark.parametrize(
    "name",
    [
        "model.diffusion_model.out.2.weight",
        "model.diffusion_model.middle_block.0.in_layers.0.bias",
        "model.diffusion_model.input_blocks.3.0.emb_layers.1.weight",
        "first_stage_model.decoder.up.1.block.0.conv1.weight",
        "first_stage_model.quant_conv.bias",
        "first_stage_model.encoder.conv_in.weight",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
        "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc2.bias",
    ],
)
@pytest.mark.parametrize("metadata", [True, False])
def test_missing_tensors_are_named(checkpoint, tmp_path, models, name, metadata):
    from safetensors import safe_open

    with safe_open(checkpoint, "pt") as file:
        text = file.metadata() if metadata else None
    content = load_file(checkpoint)
    del content[name]
    save_file(content, checkpoint, text)
    action = lambda: from_original(checkpoint, tmp_path / "out", tokenizer_dir=models["sd1"] / "tokenizer")  # noqa: E731
    problem = refused(tmp_path, action)
    assert problem.id == "convert-missing-tensors"
    assert name in problem.cause


def test_a_tensor_of_the_wrong_shape(checkpoint, tmp_path):
    content = load_file(checkpoint)
    name = "model.diffusion_model.out.0.weight"
    content[name] = torch.zeros(33)
    save_file(content, checkpoint)
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out"))
    assert problem.id == "convert-wrong-shape"
    assert name in problem.cause
    assert "[32]" in problem.cause
    assert "[33]" in problem.cause


def test_a_config_of_another_model(checkpoint, models, tmp_path):
    folder = shutil.copytree(models["sd1"], tmp_path / "other")
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cross_attention_dim": 48}))
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out", config_dir=folder))
    assert problem.id == "convert-wrong-shape"


@pytest.mark.parametrize(
    "remove", ["unet", "unet/config.json", "vae/diffusion_pytorch_model.safetensors", "text_encoder", "scheduler"]
)
def test_an_incomplete_folder(models, tmp_path, remove):
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    shutil.rmtree(folder / remove) if (folder / remove).is_dir() else (folder / remove).unlink()
    problem = refused(tmp_path, lambda: to_original(folder, tmp_path / "out.safetensors"))
    assert problem.id == "convert-not-a-diffusers-folder"
    assert remove.split("/")[0] in problem.cause


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_damaged_config(models, tmp_path, text):
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    (folder / "vae" / "config.json").write_text(text, encoding="latin-1")
    problem = refused(tmp_path, lambda: to_original(folder, tmp_path / "out.safetensors"))
    assert problem.id == "convert-unreadable-file"


def test_damaged_metadata(checkpoint, tmp_path):
    save_file(load_file(checkpoint), checkpoint, {"dreamboot.configs": "{}"})
    assert refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out")).id == "convert-unreadable-file"


def test_no_averaged_weights(checkpoint, tmp_path):
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out", use_ema=True))
    assert problem.id == "convert-no-ema"


def test_no_tokenizer_that_fits(checkpoint, tmp_path):
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out"))
    assert problem.id == "convert-no-tokenizer"
    assert "514" in problem.cause
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out", tokenizer_dir=tmp_path))
    assert problem.id == "convert-no-tokenizer"


def test_a_value_that_half_precision_cannot_hold(models, tmp_path):
    """It would become infinite, and every image black."""
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = load_file(file)
    content["decoder.conv_in.bias"][3] = 70000.0
    save_file(content, file)
    problem = refused(tmp_path, lambda: to_original(folder, tmp_path / "out.safetensors"))
    assert problem.id == "convert-value-too-large"
    assert "first_stage_model.decoder.conv_in.bias" in problem.what
    for dtype in ("float32", "bfloat16", "keep"):
        to_original(folder, tmp_path / "out.safetensors", dtype=dtype)


def test_infinities_that_were_there_stay(models, tmp_path):
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = load_file(file)
    content["decoder.conv_in.bias"][:3] = torch.tensor([float("inf"), float("-inf"), float("nan")])
    save_file(content, file)
    for dtype in ("float16", "bfloat16"):
        to_original(folder, tmp_path / "out.safetensors", dtype=dtype)
        found = load_file(tmp_path / "out.safetensors")["first_stage_model.decoder.conv_in.bias"][:3]
        assert found[0] == float("inf")
        assert found[1] == float("-inf")
        assert found[2].isnan()


def test_an_output_that_exists_is_left_alone(models, checkpoint, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("mine")
    options = {"tokenizer_dir": models["sd1"] / "tokenizer"}
    problem = refused(tmp_path, lambda: from_original(checkpoint, tmp_path / "out", **options))
    assert problem.id == "convert-output-exists"
    problem = refused(tmp_path, lambda: to_original(models["sd1"], checkpoint, overwrite=False))
    assert problem.id == "convert-output-exists"


def test_an_existing_yaml_is_left_alone(models, tmp_path):
    (tmp_path / "out.yaml").write_text("mine")
    problem = refused(tmp_path, lambda: to_original(models["sd2"], tmp_path / "out.safetensors", overwrite=False))
    assert problem.id == "convert-output-exists"


def test_no_room_is_known_beforehand(models, checkpoint, tmp_path, monkeypatch):
    import psutil

    usage = psutil.disk_usage(str(tmp_path))
    monkeypatch.setattr(psutil, "disk_usage", lambda _: usage._replace(free=2 << 20))
    problem = refused(tmp_path, lambda: to_original(models["sd1"], tmp_path / "out.safetensors"))
    assert problem.id == "convert-no-space"
    assert "2 MiB" in problem.cause
    action = lambda: from_original(checkpoint, tmp_path / "out", config_dir=models["sd1"])  # noqa: E731
    assert refused(tmp_path, action).id == "convert-no-space"


def test_what_lies_at_the_temporary_name_is_never_written_through(models, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out.safetensors.partial").symlink_to(tmp_path / "precious")
    to_original(models["sd1"], tmp_path / "out.safetensors")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "out.safetensors.partial").is_symlink()


def test_a_disk_that_fills_up_on_the_way(models, checkpoint, tmp_path):
    """A real limit on the size of files makes the system refuse the write in the middle."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from dreamboot_trainer.convert import cli;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "sys.exit(cli.run(sys.argv[1:]))"
    )
    for source, out in ((models["sd1"], "out.safetensors"), (checkpoint, "out")):
        before = sorted(tmp_path.iterdir())
        options = [] if source.is_dir() else ["--config-dir", models["sd1"]]
        command = [sys.executable, "-c", code, source, tmp_path / out, *options]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 1, done.stderr
        assert "could not be written" in done.stderr
        assert "File too large" in done.stderr
        assert sorted(tmp_path.iterdir()) == before


def test_a_place_that_is_not_writable(models, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    problem = refused(tmp_path, lambda: to_original(models["sd1"], tmp_path / "file" / "out.safetensors"))
    assert problem.id == "convert-not-written"


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(models, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    problem = refused(tmp_path, lambda: to_original(models["sd1"], tmp_path / "locked" / "out.safetensors"))
    assert problem.id == "convert-not-written"


def test_the_input_is_never_changed(models, checkpoint, tmp_path):
    def state(path):
        return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}

    before, file = state(models["sd1"]), checkpoint.read_bytes()
    to_original(models["sd1"], tmp_path / "a.safetensors")
    from_original(checkpoint, tmp_path / "b", config_dir=models["sd1"])
    assert state(models["sd1"]) == before
    assert checkpoint.read_bytes() == file


def test_a_shard_name_that_leaves_the_folder_is_refused(models, tmp_path):
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../../../secret.safetensors"}}))
    assert refused(tmp_path, lambda: to_original(folder, tmp_path / "o.safetensors")).id == "convert-unreadable-file"


def test_the_source_is_never_the_output(models, checkpoint, tmp_path):
    """With overwrite: the result would take the place of what it was made from."""
    content = checkpoint.read_bytes()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "model_index.json").write_text("{}")
    inner = shutil.copy(checkpoint, tmp_path / "inner" / "m.safetensors")
    for source, out in (
        (checkpoint, checkpoint),
        (inner, tmp_path / "inner"),
        (checkpoint, tmp_path / "." / checkpoint.name),
    ):
        action = lambda s=source, o=out: from_original(s, o, config_dir=models["sd1"], overwrite=True)  # noqa: E731
        assert refused(tmp_path, action).id == "convert-output-is-source"
    folder = shutil.copytree(models["sd1"], tmp_path / "folder")
    assert refused(tmp_path, lambda: to_original(folder, folder)).id == "convert-output-is-source"
    assert checkpoint.read_bytes() == content


def test_a_folder_with_other_things_in_it_is_never_replaced(models, checkpoint, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for out in ("photos", "file"):
        action = lambda o=out: from_original(checkpoint, tmp_path / o, config_dir=models["sd1"], overwrite=True)  # noqa: E731
        assert refused(tmp_path, action).id == "convert-output-not-replaced"


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_kill_between_the_two_renames_is_put_right(models, checkpoint, tmp_path, overwrite):
    """The state that it leaves: the old result set aside, the new one not yet in place."""
    old, partial = tmp_path / "out.partial.old", tmp_path / "out.partial"
    for folder in (old, partial):
        folder.mkdir()
        (folder / "model_index.json").write_text(f'"{folder.name}"')
    action = lambda: from_original(checkpoint, tmp_path / "out", config_dir=models["sd1"], overwrite=overwrite)  # noqa: E731
    if overwrite:
        action()
        assert "StableDiffusionPipeline" in (tmp_path / "out" / "model_index.json").read_text()
        assert not old.exists()
    else:
        with pytest.raises(TrainerError):
            action()
        assert (tmp_path / "out" / "model_index.json").read_text() == '"out.partial.old"'


def test_what_is_left_out_is_said(models, checkpoint, tmp_path):
    content = load_file(checkpoint)
    content["learned.noise_offset"] = torch.zeros(4)
    content |= {f"model_ema.diffusion_model{i}": torch.zeros(1) for i in range(3)}
    save_file(content, tmp_path / "more.safetensors")
    plain = from_original(checkpoint, tmp_path / "a", config_dir=models["sd1"])
    more = from_original(tmp_path / "more.safetensors", tmp_path / "b", config_dir=models["sd1"])
    assert plain.notes == ()
    assert any("learned.noise_offset" in note for note in more.notes)
    assert any("--ema" in note for note in more.notes)
