"""What `--profile seed-2022` decides, on the machines of its time; built for real in tests/real/patching."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamboot.cli import main

WINDOWS = 'os = "windows 10"\ngpu = "NVIDIA GeForce GTX 1080 Ti"\ndriver = "516.94"\npython = ["3.8.10"]\n'
KEPLER = 'os = "linux"\ngpu = "Tesla K80"\ndriver = "470.223.02"\npython = ["3.8.10", "3.10.12"]\n'


@pytest.fixture
def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """(exit code, document) of `dreamboot plan WORDS` for a stated machine."""

    def call(machine: str, *words: str) -> Any:
        (tmp_path / "machine.toml").write_text(machine)
        stated = ("--assume", str(tmp_path / "machine.toml"), "--home", str(tmp_path / "home"), "--json")
        code = main(["plan", *words, *stated])
        return code, json.loads(capsys.readouterr().out)

    return call


def test_the_recipe_of_2022_on_a_card_of_its_time(plan: Any) -> None:
    code, said = plan(WINDOWS, "--profile", "seed-2022")
    assert (code, said["python"], said["torch"]["version"], said["torch"]["tag"]) == (0, "3.8", "1.12.1", "cu116")
    wanted = {
        "torchvision": "==0.13.1+cu116", "diffusers": "==0.7.2", "transformers": "==4.24.0", "accelerate": "==0.14.0",
        "bitsandbytes": "==0.34.0", "huggingface_hub": "==0.11.1",
    }  # fmt: skip
    assert {name: said["packages"][name] for name in wanted} == wanted
    assert said["patches"] == ["bitsandbytes/windows-dll-0.34", "diffusers/memory-efficient-attention"]
    # The answers 0, 0, NO, NO, fp16: this machine, one process, not on the CPU, no DeepSpeed, half precision.
    answers = {
        "compute_environment": "LOCAL_MACHINE", "distributed_type": "NO", "use_cpu": False, "mixed_precision": "fp16",
        "num_processes": 1,
    }  # fmt: skip
    assert {key: said["accelerate"][key] for key in answers} == answers
    assert "deepspeed_config" not in said["accelerate"]


def test_it_is_offered_only_where_nothing_newer_works(plan: Any) -> None:
    code, said = plan(KEPLER)
    assert (code, "dreamboot plan --profile seed-2022" in said["refused"]["hint"]) == (3, True)
    assert plan(KEPLER, "--profile", "seed-2022")[1]["torch"]["version"] == "1.12.1"
    code, said = plan(WINDOWS.replace("3.8.10", "3.11.4"))
    assert (code, said["patches"]) == (0, [])
    assert int(said["torch"]["version"].split(".")[0]) >= 2


def test_today_no_patch_is_needed_and_up_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    version = f"{sys.version_info[0]}.{sys.version_info[1]}.1"
    (tmp_path / "machine.toml").write_text(f'os = "linux"\npython = ["{version}"]\nram = "16 GiB"\n')
    stated = ("--assume", str(tmp_path / "machine.toml"), "--home", str(tmp_path / "home"))
    assert main(["up", "--yes", "--dry-run", "--bandwidth", "2M", *stated]) == 0
    assert "patches: none - these versions need none on this machine" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["up", "--bandwidth", "fast", *stated])
