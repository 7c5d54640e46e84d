"""A lean start: the libraries are imported without those of their parts that a run does not use.

Measured with torch 2.13, diffusers 0.42 and transformers 5.23 on one core: `import torch` 1.0 CPU-seconds, SD 1.x's
networks 2.5 more. Of these, torch's compiler is 0.9 and its sharded tensors are 0.4; bitsandbytes and peft, which
diffusers also imports where they are installed, are another 2.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

_FLAGS = ("_peft_available", "_bitsandbytes_available")
_CROWDED = (
    "transformers.models", "diffusers.models.autoencoders", "diffusers.models.transformers", "diffusers.models.unets"
)  # fmt: skip
"""Packages whose `__init__` reads a file or imports a network for each family that the library knows."""
_ASKED = {"PreTrainedModel": "transformers.modeling_utils"}
"""What diffusers asks transformers itself for, and where it is: reading its 540 folders of models takes 0.3 seconds."""
_ASKED_LATER = ("AutoImageProcessor",)
"""What it keeps for reading single files, which does not happen here."""


OFFLINE_WISHED = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
"""Whether the caller wants no network, as it was before we told the libraries so."""


def quiet() -> None:
    """Offline, but for what hub.py does; no progress bars or advice from libraries on standard error."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def lean_imports(*, adapters: bool, compiled: bool = False) -> Iterator[None]:
    """Inside, models are imported and read without what a run does not use, such as peft and bitsandbytes.

    `adapters`: peft is needed. `compiled`: torch's compiler is needed. The flags are diffusers' own; in a version
    without them nothing happens.
    """
    if not compiled:
        _postpone_compiler()
    with _one_process() if os.environ.get("WORLD_SIZE", "1") == "1" else nullcontext():
        if adapters:
            yield
        else:
            with _without_adapters():
                yield


@contextmanager
def _one_process() -> Iterator[None]:
    """transformers and diffusers leave out what they need for sharded models, as in a torch built without it."""
    import torch.distributed

    sharded: Any = _postpone("torch.distributed.tensor")
    if sharded is not None:
        sharded.DTensor = type("DTensor", (), {})
    module: Any = torch.distributed
    before = module.is_available
    module.is_available = _no
    try:
        yield
    finally:
        module.is_available = before


@contextmanager
def _without_adapters() -> Iterator[None]:
    transformers: Any = _postpone("transformers", _ASKED)
    if transformers is not None:
        transformers.__version__ = metadata.version("transformers")
        for name in _ASKED_LATER:
            setattr(transformers, name, _Later(name))
        # Models take only a word of typing from it, and it runs transformers' own code to learn all names.
        _postpone("transformers.processing_utils", {"Unpack": "typing_extensions"})
        _without_docstrings()
    # Both libraries read the records of all that is installed, which does not change here.
    metadata.packages_distributions = cache(metadata.packages_distributions)
    import diffusers.utils
    from diffusers.utils import import_utils

    for name in _CROWDED:
        _postpone(name)
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


def _without_docstrings() -> None:
    """transformers writes the docstrings of its models when they are imported, by reading what they are made of."""
    utils: Any = importlib.import_module("transformers.utils")
    if hasattr(utils, "auto_docstring"):
        utils.auto_docstring = _unchanged


class _Postponed(ModuleType):
    """A module whose code runs when somebody asks it for something; modules inside it can be imported before."""

    def __init__(self, spec: ModuleSpec, elsewhere: Mapping[str, str]) -> None:
        super().__init__(spec.name)
        self._elsewhere = dict(elsewhere)
        self.__spec__ = spec
        self.__file__ = spec.origin
        self.__package__ = spec.parent
        if spec.submodule_search_locations is not None:
            self.__path__ = list(spec.submodule_search_locations)
        self._waiting = True

    def __getattr__(self, name: str) -> Any:
        successor = sys.modules.get(self.__name__, self)
        if successor is not self:
            return getattr(successor, name)
        if name in self.__dict__.get("_elsewhere", ()):
            return getattr(importlib.import_module(self._elsewhere[name]), name)
        if name.startswith("__") or not self.__dict__.get("_waiting"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if "__path__" in self.__dict__ and PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__):
            return importlib.import_module(f"{self.__name__}.{name}")
        self._waiting = False
        spec = self.__spec__
        if spec is None or spec.loader is None:
            raise AttributeError(f"module {self.__name__!r} cannot be loaded")
        spec.loader.exec_module(self)
        # Some packages put another object in their own place.
        return getattr(sys.modules[self.__name__], name)


class _Later:
    """A class of transformers that is found when somebody uses it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        module = sys.modules["transformers"]
        delattr(module, self._name)
        return getattr(getattr(module, self._name), name)


def _postpone(name: str, elsewhere: Mapping[str, str] = MappingProxyType({})) -> _Postponed | None:
    """Put an empty module in the place of `name`, unless it is imported already or there is none.

    `elsewhere`: names of it, each with the module that it comes from, for which its own code need not run.
    """
    if name in sys.modules:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or name in sys.modules:
        return None
    module = _Postponed(spec, elsewhere)
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
    return module


def _postpone_compiler() -> None:
    """torch asks its compiler for a few things that mean nothing as long as nothing is compiled.

    These are answered here; whoever asks for anything else (torch.compile does) gets the compiler itself.
    """
    import torch  # noqa: F401 - its package must be there first

    module: Any = _postpone("torch._dynamo")
    if module is not None:
        module.disable = _unchanged
        module.allow_in_graph = _unchanged
        module.assume_constant_result = _marked_constant
        module.graph_break = _nothing
        module.is_compiling = _no
        module.eval_frame = SimpleNamespace(OptimizedModule=type("OptimizedModule", (), {}))


def _unchanged(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    return function if function is not None else _unchanged


def _marked_constant(function: Any) -> Any:
    function._dynamo_marked_constant = True  # what torch's own does, for a function that is compiled later
    return function


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _no() -> bool:
    return False
