"""What loading a component's weights has in common over the families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.model_folder import weight_files
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    import torch

_PREFIX = "text_model."


def variant_of(folder: Path) -> str | None:
    """`fp16` where the folder has only half-precision files."""
    return "fp16" if any(".fp16" in path.name for path in weight_files(folder)) else None


def owned(module: Any) -> Any:
    """Copy the weights out of the mapped file into memory of torch's own.

    Memory alignment decides which kernels run: with it equal, a resumed run repeats the first one bit for bit.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.clone()
    return module


def clip_encoder(make: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A CLIP text encoder of transformers' class `make`, frozen.

    Its own `from_pretrained` first builds the network without memory, which imports sympy and takes half a second more
    than the weights themselves. Names may have `text_model.` in front or not (see save.py). ValueError where a weight
    is missing.
    """
    from transformers.initialization import no_init_weights

    with no_init_weights():
        encoder = make(make.config_class.from_pretrained(folder))
    there = _tensors(folder)
    found = {}
    for name in encoder.state_dict():
        spellings = (name, f"{_PREFIX}{name}", name.removeprefix(_PREFIX))
        spelled = next((each for each in spellings if each in there), None)
        if spelled is None:
            raise ValueError(f"the weight {name} is missing")
        found[name] = there[spelled]
    encoder.load_state_dict(found)
    return encoder.to(dtype).eval().requires_grad_(requires_grad=False)


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for path in weight_files(folder):
        whole = path.suffix == ".safetensors"
        found |= load_file(path) if whole else torch.load(path, map_location="cpu", weights_only=True)
    return found


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
