"""What the terminal's face does with words: settings from flags, hints as typed, progress without a terminal."""

from __future__ import annotations

import pytest

from dreamboot.model import DreambootError, Event, EventKind
from dreamboot.terminal.commands.train import settings_from
from dreamboot.terminal.draw import as_typed
from dreamboot.terminal.progress import Watcher, amount
from dreamboot.terminal.wizard import guess_noun, photos_fault


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["--learning-rate", "2e-6"], ("learning_rate=2e-6",)),
        (["--learning_rate=2e-6", "--hflip"], ("learning_rate=2e-6", "hflip=true")),
        (["--hflip", "false", "--seed", "1"], ("hflip=false", "seed=1")),
        ([], ()),
    ],
)
def test_flags_become_settings(words, settings):
    assert settings_from(words) == settings


def test_a_stray_word_is_wrong_usage():
    with pytest.raises(DreambootError) as caught:
        settings_from(["stray"])
    assert int(caught.value.exit_code) == 2


def test_hints_are_spelt_as_typed(monkeypatch):
    monkeypatch.setenv("DREAMBOOT_COMMAND", "python3 installer/bootstrap.py")
    assert as_typed("Then: dreamboot doctor --fix") == "Then: python3 installer/bootstrap.py doctor --fix"
    assert as_typed("see docs/dreamboot and dreamboot itself") == "see docs/dreamboot and dreamboot itself"
    monkeypatch.delenv("DREAMBOOT_COMMAND")
    assert as_typed("dreamboot up") == "dreamboot up"


@pytest.mark.parametrize(
    ("folder", "noun"),
    [("sks_dog", "dog"), ("my dog", "dog"), ("photos-of-cat", "cat"), ("IMG2024", ""), ("photos", "")],
)
def test_the_noun_is_guessed_from_the_folder(tmp_path, folder, noun):
    assert guess_noun(tmp_path / folder) == noun


def test_a_folder_without_photos_is_said(tmp_path):
    assert photos_fault(str(tmp_path / "none")) == "There is no such folder."
    assert "no images" in str(photos_fault(str(tmp_path)))
    (tmp_path / "a.JPG").write_bytes(b"")
    assert photos_fault(str(tmp_path)) is True


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


def test_quiet_is_silent(capsys):
    watcher = Watcher(quiet=True, debug=True)
    watcher.see(Event(kind=EventKind.STARTED, stage="train", message="x"))
    assert capsys.readouterr() == ("", "")
