"""The table of other trainers' flags: whole, without inventions, and what it says to write is understood here."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamboot_trainer.cli import main
from dreamboot_trainer.config import Key, keys
from dreamboot_trainer.config_read import read
from dreamboot_trainer.config_values import toml_value
from dreamboot_trainer.flag_words import settings_from
from dreamboot_trainer.other_trainers import KINDS, Row, row_of, rows, trainers
from dreamboot_trainer.other_trainers.page import page
from dreamboot_trainer.unknown_key import Way, unknown_key

ROOT = Path(__file__).resolve().parents[3]
FACTS = ROOT.parent / "shared" / "data" / "trainer_flags.tsv"
"""What was read from the trainers' own files. It is not part of a checkout."""
KEYS = {key.name: key for key in keys()}
OWN_WORDS = {"--lr", "--steps", "--batch_size", "--prior_preservation", "--initializer_token"}

# Read where the facts end: its own flags, by far the most used of kohya's scripts.
NETWORK = "kohya:train_network.py"

needs_facts = pytest.mark.skipif(not FACTS.is_file(), reason="the facts lie beside a checkout, not in it")


def facts() -> Iterator[tuple[str, str, str]]:
    """(flag, trainer:script, default) of every flag of a training script."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            trainer, script = row["system"].split("@")[0], row["system"].rsplit(":", 1)[1]
            if "convert_" not in script:
                yield row["flag"], f"{trainer}:{script.removeprefix('dreambooth/')}", row["default"]


@needs_facts
def test_every_flag_of_every_script_is_in_the_table_and_no_other_is() -> None:
    told = [(row.flag, place) for row in rows() for place in row.there if place != "common"]
    assert len(told) == len(set(told))
    assert {row for row in told if row[1] != NETWORK} == {(flag, place) for flag, place, _ in facts()}
    assert {"--network_dim", "--network_module", "--unet_lr"} <= {flag for flag, place in told if place == NETWORK}
    assert {row.flag for row in rows() if row.trainers == ("common",)} == OWN_WORDS


@needs_facts
def test_what_is_called_the_same_without_a_note_has_the_same_default() -> None:
    unsaid = {"None", "(required)", ""}
    for flag, place, default in facts():
        row = next(row for row in rows() if row.flag == flag and place in row.there)
        if row.kind == "same" and not row.note:
            here = KEYS[next(iter(row.spellings))].default
            if default in unsaid:
                assert here in ("", "demo", 0, False), flag
            else:
                assert default.lower() in (str(here).lower(), f"{here:g}" if isinstance(here, float) else ""), flag


def test_every_row_is_whole() -> None:
    names = {trainer.name for trainer in trainers()}
    for row in rows():
        assert row.kind in KINDS, row
        assert set(row.trainers) <= names, row
        assert bool(row.here) == (row.kind in ("key", "like", "setting", "option")), row
        assert row.note or row.kind not in ("like", "option", "needless", "absent"), row
        assert not row.note.endswith("."), row
        assert "|" not in row.note, row
        assert (next(iter(row.spellings)) in KEYS) == (row.kind == "same"), row


def test_a_name_has_one_answer() -> None:
    for name in {name for row in rows() for name in row.spellings if name not in KEYS}:
        assert len({(row.kind, row.here) for row in rows() if name in row.spellings}) == 1, name


def example(key: Key) -> object:
    """A value that the key takes and that is none of the least."""
    if key.choices:
        return key.choices[-1]
    number = 2.0 if key.below is None else 0.5
    return {"bool": True, "int": 8, "float": number, "str": "/x"}.get(key.type, ["a sks dog"])


@pytest.mark.parametrize("row", [row for row in rows() if row.here and row.kind != "option"], ids=lambda row: row.flag)
def test_what_is_to_be_written_is_read(row: Row, tmp_path: Path) -> None:
    """In a file and on the command line; by the schema's own reader, which refuses what it does not know."""
    if row.kind == "setting":
        written = {name: json.loads(text) for name, text in row.settings}
    else:
        written = {name: example(KEYS[name]) for name in row.here.split()}
    for name, value in written.items():
        section, path = KEYS[name].section, tmp_path / f"{name}.toml"
        path.write_text(f"[{section}]\n{name} = {toml_value(value)}\n", encoding="utf-8")
        typed = value if isinstance(value, str) else toml_value(value)
        expected = tuple(value) if isinstance(value, list) else value
        for config in (read(path), read(None, flags=[f"{name}={typed}"])):
            assert getattr(getattr(config, section), name) == expected


@pytest.mark.parametrize("row", [row for row in rows() if row.kind in ("key", "setting")], ids=lambda row: row.flag)
def test_the_advice_taken_is_accepted(row: Row) -> None:
    """The words between "Write" and "in place of", typed as they stand."""
    name = next(iter(row.spellings))
    value = "true" if row.kind == "setting" else str(example(KEYS[row.here])).strip("[']")
    hint = unknown_key(name, value, Way.FLAG, keys()).hint
    words = shlex.split(hint.removeprefix("Write ").partition(" in place of ")[0])
    settings, strays = settings_from(words)
    assert not strays
    read(None, flags=settings)


@pytest.mark.parametrize("row", [row for row in rows() if row.kind == "option"], ids=lambda row: row.flag)
def test_an_option_is_one_of_the_command_line(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert row.here.split()[0] in capsys.readouterr().out


def test_keys_that_notes_name_are_keys() -> None:
    values = {"aot_eager", "comet_ml", "inverse_sqrt", "logit_normal", "paged_adamw8bit", "rescale_betas_zero_snr"}
    for row in rows():
        for name, value in re.findall(r"\b([a-z_]+) = (\S+?)(?=[,;:)]|$)", row.note):
            read(None, [f"{name}={value.strip(chr(34))}"])
        for name in re.findall(r"\b[a-z]\w*_\w+", row.note):
            assert name in KEYS or name in values, f"{row.flag}: {name}"


def test_short_names_and_other_spellings_are_known() -> None:
    assert [row.flag for name in ("s", "base", "no_test") if (row := row_of(name))] == [
        "-s,--seed", "-b,--base", "--no-test",
    ]  # fmt: skip
    assert row_of("nobody_has_this") is None


def test_a_start_reads_no_table() -> None:
    code = (
        "import sys; from dreamboot_trainer.config_read import read; read(None, ['seed=3'])\n"
        "assert 'dreamboot_trainer.other_trainers' not in sys.modules and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "trainer", check=False)
    assert done.returncode == 0


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "reference" / "other-trainers.md").read_text(encoding="utf-8")
    assert written == page(), "run: python benchmarks/other_trainers_page.py"
