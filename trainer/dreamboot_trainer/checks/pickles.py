"""Does a pickled file ask for code to be run? Its opcodes are read, never executed."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.problems import mismatch

# Roots of the names that checkpoints of Stable Diffusion ask for (torch's tensors, numpy scalars, Lightning's keys).
_KNOWN_ROOTS = frozenset({"torch", "collections", "numpy", "pytorch_lightning", "_codecs"})


def check_pickle(path: Path) -> Checked:
    """A Problem for a file that names anything beyond tensors, or that is no readable pickle.

    This is an early word; loading itself goes through torch's `weights_only=True`.
    """
    try:
        strange = sorted({name for name in _names(path) if name.partition(".")[0] not in _KNOWN_ROOTS})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        return Checked(
            problems=(
                mismatch(
                    "model-file-damaged",
                    f"{path} cannot be read.",
                    "a torch file",
                    str(error),
                    f"Download it again: {path.name}",
                ),
            )
        )
    if strange:
        return Checked(
            problems=(
                mismatch(
                    "model-unsafe-pickle",
                    f"{path} would run code when it is loaded, and was not loaded.",
                    "tensors only",
                    ", ".join(strange[:5]),
                    "Do not use this file. Get the .safetensors version of the model from a source that you trust.",
                ),
            )
        )
    return Checked()


def _names(path: Path) -> Iterator[str]:
    """Every `module.name` that the pickle streams of a torch file import."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    yield from _globals(archive.read(name))
        return
    yield from _globals(path.read_bytes())


def _globals(stream: bytes) -> Iterator[str]:
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif opcode.name in {"INST"}:
            yield str(argument).replace(" ", ".")
        elif isinstance(argument, str):
            texts.append(argument)
