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

    from dreamboot_trainer.families import TextParts
    from dreamboot_trainer.model_folder import ModelFolder

_PREFIX = "text_model."
_LEAST_OF_ROWS = 0.9


def variant_of(folder: Path) -> str | None:
    """`fp16` where the folder has only half-precision files."""
    return "fp16" if any(".fp16" in path.name for path in weight_files(folder)) else None


def owned(module: Any) -> Any:
    """Copy the weights out of the mapped file into memory of torch's own.

    Memory alignment decides which kernels run: with it equal, a resumed run repeats the first one bit for bit.
    ValueError for a weight that the files do not hold.
    """
    missing = [name for name, weight in module.named_parameters() if weight.is_meta]
    if missing:
        raise ValueError(f"the weight {missing[0]} is missing")
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


def require_vocabulary(folder: ModelFolder, parts: TextParts) -> None:
    """TrainerError where a tokenizer is another encoder's: prompts would become other words, or none at all.

    T5's embedding has 28 rows more than its tokenizer has tokens (32128 and 32100); CLIP's have as many.
    """
    for number, (tokenizer, encoder) in enumerate(zip(parts.tokenizers, parts.encoders, strict=False)):
        name = f"tokenizer_{number + 1}" if number else "tokenizer"
        words, rows = len(tokenizer), int(encoder.config.vocab_size)
        if not _LEAST_OF_ROWS * rows <= words <= rows:
            raise TrainerError(
                mismatch(
                    "tokenizer-mismatch",
                    f"The tokenizer in {folder.part(name)} is not that of the text encoder.",
                    f"{rows} tokens, as the text encoder has rows",
                    f"{words} tokens",
                    "Leave tokenizer_name out, or name the tokenizer's folder of the same model.",
                )
            )


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Turn what the libraries raise for unusable files into a Problem."""
    try:
        yield
    except (TrainerError, MemoryError):
        raise
    except Exception as error:  # their readers in Rust know no other kind
        # A line that ends so only announces the next one.
        lines = [line for line in str(error).splitlines() if line.strip() and not line.endswith(":")]
        raise TrainerError(
            mismatch(
                "model-not-loadable",
                f"The model in {folder} cannot be loaded.",
                "weights, words and noise schedule as the config files beside them say",
                lines[0] if lines else type(error).__name__,
                "Download the model again, or name another one: --set pretrained_model_name_or_path=FOLDER",
            )
        ) from error
