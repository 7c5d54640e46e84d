"""No foreign CUDA libraries come before those of torch."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """A CUDA build on Linux."""
    return facts.machine.os == "linux" and facts.torch is not None and facts.torch.tag.startswith("cu")


def run(facts: Facts) -> Outcome:
    """Folders in LD_LIBRARY_PATH with CUDA libraries; a stub of libcuda is the worst."""
    clean = manual(
        "unset LD_LIBRARY_PATH", "torch finds its own libraries; remove the line from ~/.bashrc or the launcher"
    )
    for folder, libraries in facts.shadowing_libraries.items():
        if "stubs" in folder or (any(name.startswith("libcuda.so") for name in libraries) and "wsl" not in folder):
            return error(
                "A foreign libcuda is loaded instead of the driver's.",
                f"{folder} in LD_LIBRARY_PATH holds {', '.join(libraries[:3])}.",
                clean,
            )
    if facts.shadowing_libraries:
        folder, libraries = next(iter(facts.shadowing_libraries.items()))
        what = "Foreign CUDA libraries are loaded instead of those of torch."
        jit = [name for name in libraries if name.startswith("libnvJitLink")]
        made = error if jit else warning
        return made(what, f"{folder} in LD_LIBRARY_PATH holds {', '.join((jit or list(libraries))[:3])}.", clean)
    return ok("LD_LIBRARY_PATH holds no CUDA libraries")


def _facts(**folders: str) -> Facts:
    shadowing = {path.replace("_", "/"): (name,) for path, name in folders.items()}
    return Facts(torch=Torch(version="2.5.1+cu124", tag="cu124"), shadowing_libraries=shadowing)


CHECK = Check(
    id="library-path",
    area="cuda-wheel-mismatch",
    why="The loader takes the first library of a name; an older one lacks functions that torch calls.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("cwm-nvjitlink-ldpath", "cwm-nvjitlink-conda", "bnb-multiple-libcuda"),
    examples=(
        Case(facts=_facts(), expect=Status.OK),
        Case(facts=_facts(_usr_local_cuda="libnvJitLink.so.12"), expect=Status.ERROR),
        Case(facts=_facts(_opt_cudnn="libcudnn.so.9"), expect=Status.WARNING),
        Case(facts=_facts(_usr_local_cuda_stubs="libcuda.so"), expect=Status.ERROR),
    ),
)
