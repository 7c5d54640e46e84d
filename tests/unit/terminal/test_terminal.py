"""What the terminal's face does with words: settings from flags, hints as typed, progress without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot.model import DreambootError, Event, EventKind, Report
from dreamboot.terminal.commands import convert, pick, predict
from dreamboot.terminal.commands.train import device_of
from dreamboot.terminal.draw import as_typed
from dreamboot.terminal.options import config_file, settings_from
from dreamboot.terminal.progress import Watcher, amount
from dreamboot.terminal.wizard import guess_noun, photos_fault


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["--learning-rate", "2e-6"], ("learning_rate=2e-6",)),
        (["--learning_rate=2e-6", "--hflip"], ("learning_rate=2e-6", "hflip=true")),
        (["--hflip", "false", "--seed", "1"], ("hflip=false", "seed=1")),
        (["--not_cache_latents", "--lr", "1e-6"], ("not_cache_latents=true", "lr=1e-6")),
        (["--steps", "-1", "-t", "-s", "23", "--no-test"], ("steps=-1", "t=true", "s=23", "no_test=true")),
        (["--optimizer_args", "a=1", "b=2", "--negative-prompt="], ("optimizer_args=a=1 b=2", "negative_prompt=")),
        ([], ()),
    ],
)
def test_flags_become_settings(words, settings):
    assert settings_from(words) == settings


def test_a_run_s_folder_is_its_configuration(tmp_path):
    assert config_file(str(tmp_path)) == tmp_path, "said as it is where it holds none"
    (tmp_path / "config.toml").touch()
    assert config_file(str(tmp_path)) == config_file(str(tmp_path / "config.toml")) == tmp_path / "config.toml"


@pytest.mark.parametrize("command", [convert, pick, predict])
def test_the_trainers_own_words_are_printed(command):
    assert command.render(Report(command="x", data={"schema": 1, "lines": ["one", "", "two"]})) == "one\n\ntwo"


def test_what_a_dry_run_would_do_is_printed():
    assert pick.render(Report(command="pick", data={"schema": 1}, messages=("Would measure.",))) == "Would measure."


@pytest.mark.parametrize("words", [["stray"], ["--hflip=true", "stray"], ["--a", "true", "stray"], ["--a", "b", "c=d"]])
def test_a_stray_word_is_wrong_usage(words):
    with pytest.raises(DreambootError) as caught:
        settings_from(words)
    assert int(caught.value.exit_code) == 2


def test_hints_are_spelt_as_typed(monkeypatch):
    monkeypatch.setenv("DREAMBOOT_COMMAND", "python3 installer/bootstrap.py")
    assert as_typed("Then: dreamboot doctor --fix") == "Then: python3 installer/bootstrap.py doctor --fix"
    assert as_typed("dreamboot doctor --fix", Path("my home")) == (
        'python3 installer/bootstrap.py --home "my home" doctor --fix'
    )
    assert as_typed("see docs/dreamboot and dreamboot itself") == "see docs/dreamboot and dreamboot itself"
    monkeypatch.delenv("DREAMBOOT_COMMAND")
    assert as_typed("dreamboot up") == "dreamboot up"


@pytest.mark.parametrize(
    ("folder", "noun"),
    [
        ("sks_dog", "dog"),
        ("my dog", "dog"),
        ("photos-of-cat", "cat"),
        ("IMG2024", ""),
        ("photos", ""),
        ("rex", ""),
        ("photos 2024", ""),
    ],
)
def test_the_noun_is_guessed_from_the_folder(tmp_path, folder, noun):
    assert guess_noun(tmp_path / folder) == noun


def test_a_folder_without_photos_is_said(tmp_path):
    assert photos_fault(str(tmp_path / "none")) == "There is no such folder."
    assert "no images" in str(photos_fault(str(tmp_path)))
    (tmp_path / "a.JPG").write_bytes(b"")
    assert photos_fault(str(tmp_path)) is True
    assert photos_fault(f"'{tmp_path}' ") is True


@pytest.mark.parametrize(
    ("done", "total", "unit", "text"),
    [
        (1_500_000, 3_000_000, "bytes", "1.5 of 3.0 MB"),
        (1_500_000, None, "bytes", "1.5 MB"),
        (3, 10, "steps", "3 of 10 steps"),
        (None, None, "steps", "0 steps"),
    ],
)
def test_amounts(done, total, unit, text):
    assert amount(Event(kind=EventKind.PROGRESS, stage="x", done=done, total=total, unit=unit)) == text


def test_without_a_terminal_lines_are_few_and_plain(capsys):
    watcher = Watcher(quiet=False, debug=False)
    for done in range(1001):
        watcher.see(Event(kind=EventKind.PROGRESS, stage="train", done=done, total=1000, unit="steps"))
    watcher.see(Event(kind=EventKind.LINE, stage="train", message="detail"))
    watcher.see(Event(kind=EventKind.LINE, stage="train", message="matters", data={"important": True}))
    watcher.close()
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert lines == ["  0 of 1000 steps", "  1000 of 1000 steps", "  matters"]


def fetching(done: int, **data) -> Event:
    return Event(kind=EventKind.PROGRESS, stage="fetch", message="torch.whl", done=done, total=9_000_000, unit="bytes",
                 data=data)  # fmt: skip


@pytest.mark.parametrize(
    ("done", "data", "line"),
    [
        (0, {}, "  0.0 of 9.0 MB torch.whl"),
        (3_000_000, {"bytes_per_second": 1_500_000, "seconds_left": 4.0},
         "  3.0 of 9.0 MB, 1.5 MB/s, 4 s left torch.whl"),
        (3_000_000, {"bytes_per_second": 1000, "seconds_left": 6000.0},
         "  3.0 of 9.0 MB, 0.0 MB/s, 100 min left torch.whl"),
        (9_000_000, {"bytes_per_second": 1_500_000, "seconds_left": 0.0}, "  9.0 of 9.0 MB, 1.5 MB/s torch.whl"),
    ],
)  # fmt: skip
def test_rate_and_time_left_are_told_without_a_terminal(capsys, done, data, line):
    watcher = Watcher(quiet=False, debug=False)
    watcher.see(fetching(done, **data))
    assert capsys.readouterr().err.splitlines() == [line]


def test_on_a_terminal_every_file_has_a_row_of_its_own(monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    for name, text in (("TERM", "xterm"), ("COLUMNS", "110")):
        monkeypatch.setenv(name, text)
    watcher = Watcher(quiet=False, debug=False)
    for done in (1_000_000, 4_000_000):
        files = {"torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl": [done, 8_000_000], "small.whl": [done, 5_000_000]}
        watcher.see(fetching(done, files=files if done < 4_000_000 else {"small.whl": [done, 5_000_000]}))
    rows = {task.description.strip(): task.completed for task in watcher._progress.tasks}
    watcher.see(Event(kind=EventKind.FINISHED, stage="fetch"))
    watcher.close()
    assert rows == {"fetch": 4_000_000, "small.whl": 4_000_000}
    assert not watcher._tasks
    assert "torch-2.13.0+cpu-cp311-cp31..." in screen.getvalue()


def test_quiet_is_silent(capsys):
    watcher = Watcher(quiet=True, debug=True)
    watcher.see(Event(kind=EventKind.STARTED, stage="train", message="x"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "device"),
    [
        (["--device", "cpu"], "cpu"),
        (["--training.device=cpu"], "cpu"),
        (["--device", "cpu", "--device", "cuda"], ""),
        (["--max-train-steps", "4"], ""),
    ],
)
def test_training_on_the_cpu_asks_an_image_for_no_gpu(words, device):
    assert device_of(settings_from(words)) == device
