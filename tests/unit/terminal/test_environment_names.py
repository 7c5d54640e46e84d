"""A name of an environment never leads out of the home folder, whoever says it and to whichever command."""

from __future__ import annotations

import pytest

from dreamboot import cli
from dreamboot.app import env
from dreamboot.app.context import Context
from dreamboot.host import current
from dreamboot.model import DreambootError

OUTSIDE = [
    "../../victim",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "C:x",
    ".hidden",
    "-x",
    "a\nb",
    "\x1b[31mred",
    "a/../../../victim",
]


def homes(tmp_path):
    """A home with one environment, and a folder beside it that nobody may touch."""
    home, victim = tmp_path / "home", tmp_path / "victim"
    (home / "envs" / "kept").mkdir(parents=True)
    victim.mkdir()
    (victim / "photo.jpg").write_bytes(b"precious")
    return home, victim


def untouched(home, victim):
    return (victim / "photo.jpg").is_file() and (home / "envs" / "kept").is_dir()


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("words", [["env", "remove"], ["env", "rollback"], ["env", "repair"], ["env", "show"]])
def test_no_verb_takes_a_name_that_leads_out(tmp_path, capsys, words, name):
    home, victim = homes(tmp_path)
    assert cli.main(["--home", str(home), "--yes", *words, "--", name]) == 2
    assert "is no name for an environment" in capsys.readouterr().err
    assert untouched(home, victim)


@pytest.mark.parametrize("command", ["build", "up", "train", "convert a b", "doctor", "patch list"])
def test_no_command_takes_one_as_env(tmp_path, capsys, command):
    home, victim = homes(tmp_path)
    assert cli.main(["--home", str(home), "--yes", *command.split(), "--env=../../victim"]) == 2
    assert untouched(home, victim)


def test_both_names_of_diff_are_looked_at(tmp_path):
    home, _ = homes(tmp_path)
    assert cli.main(["--home", str(home), "env", "diff", "kept@1", "../../victim@1"]) == 2


@pytest.mark.parametrize("name", ["../../victim", "..", ".", ""])
@pytest.mark.parametrize("act", [env.remove, lambda context, name: env.rollback(context, name, None)])
def test_the_use_cases_look_for_themselves(tmp_path, act, name):
    home, victim = homes(tmp_path)
    context = Context(host=current(), home=home, confirm=lambda question: True, yes=True)
    with pytest.raises(DreambootError) as caught:
        list(act(context, name))
    assert caught.value.problem.id == "environment-missing"
    assert untouched(home, victim)


@pytest.mark.parametrize("name", ["kept", "sd1.5-lora", "py3_12", "Meine Umgebung", "\u00e9t\u00e9", "a"])
def test_common_names_are_taken(tmp_path, name):
    home, _ = homes(tmp_path)
    (home / "envs" / name).mkdir(exist_ok=True)
    assert cli.main(["--home", str(home), "--yes", "env", "remove", name]) == 0
    assert not (home / "envs" / name).exists()
