"""What a hint says is what a shell does."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from dreamboot_trainer import shell

ODD = "it's $5 "


def typed(command: str) -> str:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("text", "word"),
    [("dog", "dog"), ("a dog", '"a dog"'), ("", '""'), ("it's", '"it\'s"'), ("$5", "'$5'"), ('a "b"', "'a \"b\"'")],
)
def test_a_word_can_be_pasted(text: str, word: str) -> None:
    assert shell.quoted(text) == word
    assert shlex.split(word) == [text]


@pytest.mark.parametrize("name", ["cut.jpg", ODD])
def test_what_is_in_the_way_is_moved_out_and_not_lost(tmp_path: Path, name: str) -> None:
    photo = tmp_path / "photos" / name
    photo.parent.mkdir()
    photo.write_bytes(b"cut")
    typed(shell.take_out(photo))
    assert (tmp_path / name).read_bytes() == b"cut"
    assert not list(photo.parent.iterdir())


def test_what_has_the_name_there_stays(tmp_path: Path) -> None:
    photo, other = tmp_path / "photos" / "a.jpg", tmp_path / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"cut")
    other.write_bytes(b"another")
    subprocess.run(["sh", "-c", shell.take_out(photo)], capture_output=True, check=False)
    assert (photo.read_bytes(), other.read_bytes()) == (b"cut", b"another")


def test_folders_are_shown_and_filled(tmp_path: Path) -> None:
    folder, photo = tmp_path / ODD, tmp_path / "a photo.jpg"
    folder.mkdir()
    photo.touch()
    typed(shell.bring(shell.quoted(photo), folder))
    assert "a photo.jpg" in typed(shell.look(folder))
    assert "%" in typed(shell.room(folder))


def test_windows_has_its_own_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shell, "_WINDOWS", True)
    place = tmp_path / "a b" / "photos"
    assert shell.look(place) == f'dir "{place}"'
    assert shell.room(place) == f'dir "{place}"'
    assert shell.take_out(place / "x.jpg") == f'move "{place}/x.jpg" "{place.parent}"'
    assert shell.quoted("C:\\my photos") == '"C:\\my photos"'
    assert shell.quoted("C:\\photos") == "C:\\photos"
