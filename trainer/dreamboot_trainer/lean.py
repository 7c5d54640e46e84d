"""Importing diffusers' networks without the optional libraries that a full fine-tune does not use.

`import diffusers.models.unets.unet_2d_condition` also imports bitsandbytes and peft when they are installed, and
every forward pass then looks for LoRA layers through peft: about 2 CPU-seconds before the first step (measured with
diffusers 0.42, bitsandbytes 0.50, peft 0.21).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FLAGS = ("_peft_available", "_bitsandbytes_available")


def quiet() -> None:
    """Offline unless the user says otherwise; no progress bars or advice from libraries on standard error."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def lean_imports(*, adapters: bool) -> Iterator[None]:
    """Inside, diffusers' modules are imported as if peft and bitsandbytes were not installed, unless `adapters`.

    The flags are diffusers' own; in a version without them nothing happens.
    """
    if adapters:
        yield
        return
    import diffusers.utils
    from diffusers.utils import import_utils

    before = {name: getattr(import_utils, name) for name in _FLAGS if hasattr(import_utils, name)}
    for name in before:
        setattr(import_utils, name, False)
    if hasattr(diffusers.utils, "USE_PEFT_BACKEND") and "peft" not in sys.modules:
        module: Any = diffusers.utils
        module.USE_PEFT_BACKEND = False
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(import_utils, name, value)
