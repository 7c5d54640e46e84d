"""A name that is no key: what to write in its place, spelt as it came in, all of a pasted command at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamboot.model import DreambootError
from dreamboot.terminal import options
from dreamboot_trainer.cli import main
from dreamboot_trainer.config_read import read
from dreamboot_trainer.flag_words import settings_from
from dreamboot_trainer.problems import TrainerError

OWN, DATA, SAMPLING = "with a value of its own", "in section [data]", "in section [sampling]"


def hints(*overrides: str, flags: tuple[str, ...] = (), path: Path | None = None) -> list[str]:
    with pytest.raises(TrainerError) as caught:
        read(path, overrides, flags=flags)
    assert {problem.id for problem in caught.value.problems} == {"config-unknown-key"}
    assert all(problem.what and problem.cause and problem.hint for problem in caught.value.problems)
    return [problem.hint for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "value", "flag", "file"),
    [
        ("use_8bit_adam", "true", "Write --optimizer adamw8bit in place of --use_8bit_adam.",
         'Write optimizer = "adamw8bit" in section [optimizer] in place of use_8bit_adam.'),
        ("use_8bit_adam", "false", "Leave --use_8bit_adam out: it is off.", "Leave use_8bit_adam out: it is off."),
        ("lr", "1e-6", "Write --learning_rate 1e-6 in place of --lr.",
         "Write learning_rate = 1e-06 in section [optimizer] in place of lr."),
        ("save_sample_negative_prompt", '"two dogs"',
         'Write --negative_prompt "two dogs" in place of --save_sample_negative_prompt.',
         'Write negative_prompt = "two dogs" in section [sampling] in place of save_sample_negative_prompt.'),
        ("init_word", '"dog"', "Write --token_initializers dog in place of --init_word.",
         'Write token_initializers = ["dog"] in section [data] in place of init_word.'),
        ("optimizer_type", '"PagedAdamW8bit"', "Write --optimizer paged_adamw8bit in place of --optimizer_type.",
         'Write optimizer = "paged_adamw8bit" in section [optimizer] in place of optimizer_type.'),
        ("log_with", '"all"', "Write --report_to in place of --log_with, with one of none, tensorboard, wandb.",
         "Write report_to in section [output] in place of log_with, with one of none, tensorboard, wandb."),
        ("enable_bucket", "true", "Write --aspect_ratio_buckets true in place of --enable_bucket.",
         "Write aspect_ratio_buckets = true in section [data] in place of enable_bucket."),
        ("random_crop", "true", "Write --center_crop false --cache_latents false in place of --random_crop.",
         f"Write center_crop = false {DATA} and cache_latents = false {DATA} in place of random_crop."
        ),
        ("log_interval", "10", "Leave --log_interval out: every step is in events.jsonl.",
         "Leave log_interval out: every step is in events.jsonl."),
        ("embedding_manager_ckpt", '"e.pt"',
         "Leave --embedding_manager_ckpt out, which is not here: textual inversion is another method.",
         "Leave embedding_manager_ckpt out, which is not here: textual inversion is another method."),
        ("validation_epochs", "5",
         f"Write --validation_steps {OWN} in place of --validation_epochs: it counts steps, not epochs.",
         f"Write validation_steps {SAMPLING} {OWN} in place of validation_epochs: it counts steps, not epochs."
        ),
        ("learing_rate", "2.0", "Write --learning_rate 2.0 in place of --learing_rate.",
         "Write learning_rate = 2.0 in section [optimizer] in place of learing_rate."),
    ],
)  # fmt: skip
def test_the_advice_is_spelt_as_the_name_came_in(name: str, value: str, flag: str, file: str, tmp_path: Path) -> None:
    assert hints(flags=(f"{name}={value.strip(chr(34))}",)) == [flag]
    path = tmp_path / "config.toml"
    path.write_text(f"[training]\n{name} = {value}\n", encoding="utf-8")
    assert hints(path=path) == [file]


def test_what_came_by_set_is_told_with_set() -> None:
    assert hints("lr=1e-6", "save_sample_negative_prompt=a sks dog", "use_8bit_adam=1", "log_interval=3") == [
        "Write --set learning_rate=1e-6 in place of lr.",
        'Write --set "negative_prompt=a sks dog" in place of save_sample_negative_prompt.',
        "Write --set optimizer=adamw8bit in place of use_8bit_adam.",
        "Leave log_interval out: every step is in events.jsonl.",
    ]


def test_a_file_of_another_trainer_is_answered_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        "seed = 3\nxformers = true\n[training_arguments]\nmax_train_steps = 5\nmin_snr_gamma = 5.0\n"
        "learning_rate = 1.0\n[general]\nflip_aug = true\n",
        encoding="utf-8",
    )
    assert [hint.partition(" (")[0] for hint in hints(path=path)] == [
        "Write seed = 3 in section [training].",
        (
            'Leave xformers out: attention = auto takes what the device is best at; "xformers" asks for it where it is '
            "installed."
        ),
        "Write [training] in place of [training_arguments].",
        "Write snr_gamma = 5.0 in section [training] in place of min_snr_gamma.",
        "Write learning_rate = 1.0 in section [optimizer].",
        "Leave [general] out: dreamboot train --help",
        "Write hflip = true in section [data] in place of flip_aug.",
    ]


def test_a_slip_in_a_concept_stays_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[[data.concepts]]\ninstance_promt = "a sks dog"\n', encoding="utf-8")
    assert "in section [data.concepts]" in hints(path=path)[0]


def test_a_date_where_a_number_belongs_is_no_accident(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[training]\nmax_train_step = 2026-01-01\n", encoding="utf-8")
    assert "max_train_steps" in hints(path=path)[0]


@pytest.mark.parametrize(
    ("words", "settings", "strays"),
    [
        ("--use_8bit_adam --not_cache_latents --lr 1e-6 --xformers",
         ["use_8bit_adam=true", "not_cache_latents=true", "lr=1e-6", "xformers=true"], []),
        ("--lr=1e-6 stray -t -s 23 --no-test", ["lr=1e-6", "t=true", "s=23", "no_test=true"], ["stray"]),
        ("--stop-text-encoder-training -1 --a true b", ["stop_text_encoder_training=-1", "a=true"], ["b"]),
        ("--optimizer_args a=1 b=2 c --prompt= d", ["optimizer_args=a=1 b=2", "prompt="], ["c", "d"]),
        ("--class_prompt dog b=2", ["class_prompt=dog"], ["b=2"]),
        ("stray", [], ["stray"]),
    ],
)  # fmt: skip
def test_words_become_settings(words: str, settings: list[str], strays: list[str]) -> None:
    assert settings_from(words.split()) == (settings, strays)
    # The installer has the same rule; it cannot import this one, which lives in another environment.
    if strays:
        with pytest.raises(DreambootError):
            options.settings_from(words.split())
    else:
        assert list(options.settings_from(words.split())) == settings


@pytest.mark.parametrize("command", ["train", "check", "resolve"])
def test_a_pasted_command_is_answered_in_one_go(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pasted = "--use_8bit_adam --gradient_checkpointing --not_cache_latents --train_text_encoder --lr 1e-6 "
    pasted += (
        "--resolution=512 --enable_xformers_memory_efficient_attention --log_interval 10 --max-train-steps 5 --nobodys"
    )
    assert main([command, *pasted.split(), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem["what"].split()[-1] for problem in problems] == [
        "--use_8bit_adam.", "--not_cache_latents.", "--lr.", "--enable_xformers_memory_efficient_attention.",
        "--log_interval.", "--nobodys.",
    ]  # fmt: skip
    assert "ShivamShrirao, diffusers, kohya" in problems[0]["cause"]
    assert not list(tmp_path.iterdir())


def test_switches_without_a_value_and_dashes_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["resolve", "--hflip", "--gradient_checkpointing", "--max-train-steps", "5", "--cache_latents", "no"]) == 0
    )
    told = capsys.readouterr().out
    assert all(line in told for line in ("hflip = true", "gradient_checkpointing = true", "max_train_steps = 5"))
    assert "cache_latents = false" in told


def test_settings_that_were_flags_elsewhere_are_told_as_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--set", "lr=3", "--as-flags"]) == 1
    assert "Next: Write --learning_rate 3 in place of --lr." in capsys.readouterr().err


def test_an_adapters_setting_comes_with_the_method_that_it_belongs_to() -> None:
    assert hints(flags=("network_dim=8",)) == ["Write --method lora --lora_rank 8 in place of --network_dim (16 here)."]
    assert hints("rank=8")[0].startswith("Write --set method=lora --set lora_rank=8 in place of rank")


@pytest.mark.parametrize("words", [["check", "stray"], ["check", "--lr", "3", "stray"], ["schema", "--lr", "3"]])
def test_words_that_belong_nowhere_are_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
