"""What loading a component's weights has in common over the families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamboot_trainer.model_folder import weight_files
from dreamboot_trainer.problems import TrainerError, mismatch


def variant_of(folder: Path) -> str | None:
    """`fp16` where the folder has only half-precision files."""
    return "fp16" if any(".fp16." in path.name for path in weight_files(folder)) else None


def owned(module: Any) -> Any:
    """Copy the weights out of the mapped file into memory of torch's own.

    Memory alignment decides which kernels run: with it equal, a resumed run repeats the first one bit for bit.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.clone()
    return module


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Turn what the libraries raise for unusable files into a Problem."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise TrainerError(
            mismatch(
                "model-not-loadable",
                f"The weights in {folder} cannot be loaded.",
                "weights that fit the config.json beside them",
                lines[0] if lines else type(error).__name__,
                "Download the model again, or name another one: --set pretrained_model_name_or_path=FOLDER",
            )
        ) from error
