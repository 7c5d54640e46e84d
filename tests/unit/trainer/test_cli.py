"""The trainer's command line: every command's way through, exit codes, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot_trainer.cli import main
from dreamboot_trainer.config import keys

if sys.version_info >= (3, 11):
    import tomllib as toml
else:
    import tomli as toml


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("train", "check", "resolve", "schema", "sample", "compare", "convert"))


def test_usage_errors_end_with_two() -> None:
    for arguments in ([], ["fly"], ["train", "--recipe", "cake"], ["sample"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


def test_resolve_prints_the_whole_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[training]\nseed = 3\n", encoding="utf-8")
    assert (
        main(["resolve", "--config", str(path), "--recipe", "face", "--set", "hflip=true", "--resolution", "256"]) == 0
    )
    table = toml.loads(capsys.readouterr().out)
    assert table["training"]["seed"] == 3
    assert table["training"]["max_train_steps"] == 1200
    assert table["data"]["hflip"] is True
    assert table["data"]["resolution"] == 256


def test_a_run_s_folder_is_its_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text("[training]\nseed = 3\n", encoding="utf-8")
    assert main(["resolve", "--config", str(tmp_path)]) == 0
    assert toml.loads(capsys.readouterr().out)["training"]["seed"] == 3


def test_schema_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    rows = json.loads(capsys.readouterr().out)["keys"]
    assert [row["name"] for row in rows] == [key.name for key in keys()]


@pytest.mark.parametrize("command", ["check", "train"])
def test_a_problem_ends_with_one_and_is_told_as_json(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [command, "--json", "--pretrained_model_name_or_path", str(tmp_path), "--output_dir", str(tmp_path / "run")]
    )
    assert code == 1
    shown = json.loads(capsys.readouterr().out)
    assert {problem["id"] for problem in shown["problems"]} == {"concept-incomplete", "model-no-index"}
    assert not (tmp_path / "run").exists()


def test_a_problem_is_in_the_events_of_a_run_that_exists(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[model]\npretrained_model_name_or_path = "/nothing"\n', encoding="utf-8")
    assert main(["train", "--config", str(config)]) == 1
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["failed", "failed"]
    assert lines[0]["data"]["problem"]["hint"]


def test_a_faulty_configuration_is_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "--set", "learing_rate=1"]) == 1
    assert json.loads(capsys.readouterr().out)["problem"]["id"] == "config-unknown-key"


@pytest.mark.trainer
def test_train_sample_and_compare(tiny: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    from support.training import BASE

    run = tmp_path / "run"
    flags = {**BASE, "pretrained_model_name_or_path": tiny, "instance_data_dir": photos, "output_dir": run}
    flags |= {"num_validation_images": 1, "max_train_steps": 1, "with_prior_preservation": "false"}
    settings = [f"--{name}={value}" for name, value in flags.items()]
    assert main(["train", *settings]) == 0
    assert "step 1/1" in capsys.readouterr().out
    capsys.readouterr()
    own = ["--prompt", "a sks dog on the moon", "--prompt", "a dog", "--prompt", "a cat", "--pictures", "2"]
    assert main(["sample", "--json", "--out", str(tmp_path / "grid.png"), *own, *settings]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"schema": 1, "path": str(tmp_path / "grid.png")}
    steps = [json.loads(line) for line in told.err.splitlines() if line.startswith('{"schema"')]
    assert [(e["done"], e["total"]) for e in steps if e["event"] == "progress"][-1] == (6, 6)
    with Image.open(tmp_path / "grid.png") as grid, Image.open(run / "samples" / "step-000001.png") as trained:
        assert grid.width > 1.5 * trained.width  # two columns
        assert grid.height > 1.2 * trained.height  # three rows instead of two
    before, after = (run / "samples" / f"step-{step:06d}.png" for step in (0, 1))
    assert main(["compare", str(before), str(after), "--out", str(tmp_path / "both.png")]) == 0
    assert (tmp_path / "grid.png").is_file()
    assert (tmp_path / "both.png").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_training_goes_on_when_nobody_reads_its_output(tiny: Path, photos: Path, tmp_path: Path) -> None:
    from support.training import BASE

    values = {
        **BASE,
        "pretrained_model_name_or_path": tiny,
        "instance_data_dir": photos,
        "output_dir": tmp_path / "run",
    }
    words = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "trainer")}
    with subprocess.Popen(
        [sys.executable, "-m", "dreamboot_trainer", "train", "--json", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert (tmp_path / "run" / "model").is_dir()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_a_disk_that_is_full_for_the_events_is_a_problem(tiny: Path, photos: Path, tmp_path: Path) -> None:
    from dreamboot_trainer.problems import TrainerError
    from support.training import configure, train

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos), tmp_path / "run")
    assert caught.value.problem.id == "cannot-write"
