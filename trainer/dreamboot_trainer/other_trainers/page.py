"""docs/reference/other-trainers.md, made from the two tables."""

from __future__ import annotations

from collections.abc import Iterator

from dreamboot_trainer.other_trainers import Row, Trainer, rows, trainers

_HEAD = """\
# Flags of other trainers

Made by `python benchmarks/other_trainers_page.py` from `trainer/dreamboot_trainer/other_trainers/`; a test compares it.

Flags may be pasted behind `dreamboot train` as they are, without what stands before them (`accelerate launch`, the
script's name). Those that have the same name here work, switches without a value too. All others are told at once, each
with what to write in its place, and nothing is trained before they are right. The same is true of the keys of a file
that is given to `--config`, whatever its sections.

A setting (`cache_latents = false`) stands in `config.toml`, or is a flag: `--cache_latents false`. What every key means
is in [the trainer's page](trainer.md#every-key).
"""


def page() -> str:
    """The whole page: a table for each trainer."""
    parts = [_HEAD, *(_chapter(trainer) for trainer in trainers())]
    return "\n".join(parts)


def _chapter(trainer: Trainer) -> str:
    own = [row for row in rows() if trainer.name in row.trainers]
    alike = [row for row in own if row.kind == "same" and not row.note]
    lines = [f"## {trainer.title}", "", f"Source: {trainer.source}.", ""]
    lines += [trainer.note, ""] if trainer.note else []
    if alike:
        lines += [f"The same by name, meaning and default: {', '.join(_flags(row) for row in alike)}.", ""]
    lines += ["| flag there | here | note |", "|---|---|---|"]
    lines += (f"| {_flags(row)} | {_here(row)} | {row.note} |" for row in own if row not in alike)
    return "\n".join([*lines, ""])


def _flags(row: Row) -> str:
    return ", ".join(f"`{word}`" for word in row.flag.split(","))


def _here(row: Row) -> str:
    if row.kind in ("needless", "absent"):
        return {"needless": "not needed", "absent": "not here"}[row.kind]
    return ", ".join(f"`{word}`" for word in _words(row))


def _words(row: Row) -> Iterator[str]:
    """What is written here, one thing after the other."""
    if row.kind == "setting":
        yield from (f"{name} = {value}" for name, value in row.settings)
    elif row.kind == "option":
        yield row.here
    else:
        yield from (row.here or next(iter(row.spellings))).split()
