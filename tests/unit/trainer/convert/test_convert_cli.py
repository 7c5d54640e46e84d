"""`convert` as a user calls it."""

from __future__ import annotations

import json

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from dreamboot_trainer.cli import main
from dreamboot_trainer.convert import lora_to_kohya
from dreamboot_trainer.convert.numbers import WISHES
from support.tiny_families import assert_same, tensors


@pytest.fixture
def command(capsys):
    """Run `convert`; the exit code, standard output and standard error."""

    def call(*args):
        code = main(["convert", *map(str, args)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_there_and_back(command, models, family, tmp_path):
    file, folder = tmp_path / "model.safetensors", tmp_path / "folder"
    code, out, _ = command(models[family], file, "--dtype", "keep")
    assert code == 0
    assert out.startswith(f"Converted {models[family]} ({family}) to {file}:")
    assert command(file, folder, "--tokenizer", models[family] / "tokenizer")[0] == 0
    assert_same(tensors(models[family]), tensors(folder))


def test_a_checkpoint_is_half_precision_by_default(command, models, tmp_path):
    command(models["sd1"], tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.get_slice("model.diffusion_model.out.2.weight").get_dtype() == "F16"


def test_json_is_the_report(command, models, tmp_path):
    code, out, err = command(models["sd1"], tmp_path / "model.safetensors", "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["family"] == "sd1"
    assert report["lines"][0].startswith(f"Converted {models['sd1']} (sd1) to {tmp_path / 'model.safetensors'}: ")
    assert report["bytes"] == (tmp_path / "model.safetensors").stat().st_size
    assert report["files"] == [str(tmp_path / "model.safetensors")]


@pytest.mark.parametrize("name", ["config.toml", "resolved.toml"])
def test_a_run_without_a_result_is_told_how_to_go_on(command, tmp_path, name):
    run = tmp_path / "my run"
    run.mkdir()
    (run / name).touch()
    code, out, _ = command(run, tmp_path / "out.safetensors", "--json")
    problem = json.loads(out)["problem"]
    assert (code, problem["id"]) == (1, "convert-run-unfinished")
    assert f'dreamboot train --config "{run / name}"' in problem["hint"]


def test_of_a_run_its_model_is_meant(command, models, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "model").symlink_to(models["sd1"])
    assert command(run, tmp_path / "a.safetensors")[0] == 1
    (run / "config.toml").touch()
    code, out, _ = command(run, tmp_path / "a.safetensors")
    assert code == 0
    assert out.startswith(f"Converted {run / 'model'} (sd1) to")


@pytest.mark.parametrize("name", ["b.safetensors", "b.ckpt"])
def test_a_folder_is_not_given_a_file_s_name(command, models, tmp_path, name):
    command(models["sd1"], tmp_path / "a.safetensors")
    code, _, err = command(tmp_path / "a.safetensors", tmp_path / name)
    assert code == 1
    assert "The result is a folder" in err
    assert f"with {tmp_path / 'b'} in place of" in err
    assert not (tmp_path / name).exists()


def test_json_is_the_problem(command, tmp_path):
    code, out, _ = command(tmp_path / "none", tmp_path / "model.safetensors", "--json")
    assert code == 1
    assert json.loads(out)["problem"].keys() == {"id", "what", "cause", "hint", "link"}


def test_a_problem_goes_to_standard_error_with_the_next_command(command, models, tmp_path):
    (tmp_path / "model.safetensors").write_text("mine")
    code, out, err = command(models["sd1"], tmp_path / "model.safetensors")
    assert (code, out) == (1, "")
    assert "already exists" in err
    assert "--yes" in err
    assert (tmp_path / "model.safetensors").read_text() == "mine"
    assert command(models["sd1"], tmp_path / "model.safetensors", "--yes")[0] == 0


@pytest.mark.parametrize("as_json", [True, False])
def test_a_dry_run_writes_nothing(command, models, family, tmp_path, as_json):
    code, out, _ = command(models[family], tmp_path / "a.safetensors", "--dry-run", *(["--json"] if as_json else []))
    assert code == 0
    assert list(tmp_path.iterdir()) == []
    assert json.loads(out)["dry_run"] if as_json else "Nothing was written" in out


def test_a_dry_run_promises_the_size_that_comes(command, models, family, tmp_path):
    file = tmp_path / "a.safetensors"
    promised = json.loads(command(models[family], file, "--dry-run", "--json")[1])["bytes"]
    command(models[family], file)
    assert file.stat().st_size == promised


def test_a_dry_run_finds_the_same_faults(command, models, tmp_path):
    assert command(models["sd1"] / "unet", tmp_path / "a.safetensors", "--dry-run")[0] == 1


def test_the_direction_of_a_lora_follows_from_its_names(command, tmp_path):
    import torch
    from safetensors.torch import save_file

    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    content = {f"{name}.lora_A.weight": torch.randn(4, 1280), f"{name}.lora_B.weight": torch.randn(1280, 4)}
    (tmp_path / "folder").mkdir()
    save_file(content, tmp_path / "folder" / "pytorch_lora_weights.safetensors")
    kohya, back = tmp_path / "kohya.safetensors", tmp_path / "back.safetensors"
    assert command(tmp_path / "folder", kohya)[0] == 0
    assert command(kohya, back)[0] == 0
    assert_same(load_file(back), content)
    lora_to_kohya(back, tmp_path / "again.safetensors")
    assert_same(load_file(kohya), load_file(tmp_path / "again.safetensors"))


@pytest.mark.parametrize("name", ["model.bin", "model", "model.pt"])
def test_a_checkpoint_is_written_as_safetensors_or_ckpt(command, models, tmp_path, name):
    code, _, err = command(models["sd1"], tmp_path / name)
    assert code == 1
    assert str(tmp_path / "model.safetensors") in err


@pytest.mark.parametrize("option", ["--ema", "--tokenizer=x", "--config-dir=x"])
def test_options_without_a_meaning_are_refused(command, models, tmp_path, option):
    code, _, err = command(models["sd1"], tmp_path / "model.safetensors", option)
    assert code == 1
    assert option.partition("=")[0] in err


def test_a_model_of_another_family_is_refused(command, models, tmp_path):
    code, _, err = command(models["sd1"], tmp_path / "model.safetensors", "--family", "sdxl")
    assert code == 1
    assert "--family sd1" in err


@pytest.mark.parametrize("args", [[], ["a"], ["a", "b", "--dtype", "float8"], ["a", "b", "--family", "sd9"]])
def test_wrong_usage(command, args):
    with pytest.raises(SystemExit) as caught:
        command(*args)
    assert caught.value.code == 2


def test_every_dtype_is_offered(capsys):
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    text = capsys.readouterr().out
    assert all(wish in text for wish in WISHES)


def test_ctrl_c_ends_with_130(command, models, tmp_path, monkeypatch):
    from dreamboot_trainer.convert import original

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(original, "write", interrupted)
    code, _, err = command(models["sd1"], tmp_path / "model.safetensors")
    assert code == 130
    assert "Nothing was written" in err
    assert list(tmp_path.iterdir()) == []
