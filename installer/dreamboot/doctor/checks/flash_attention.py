"""flash-attn and SageAttention were built for this torch, and xformers accepts them."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, ok, uninstall
from dreamboot.doctor.facts.values import Extension, Facts, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """One of them is there."""
    return facts.extension("flash-attn") is not None or facts.extension("sageattention") is not None


def run(facts: Facts) -> Outcome:
    """What the wheel's name says it was built for, and the range that xformers checks at import."""
    for name in ("flash-attn", "sageattention"):
        extension = facts.extension(name)
        if extension is None or not extension.torch or facts.torch is None:
            continue
        if not within(
            facts.torch.version, f"=={extension.torch}.*" if extension.torch.count(".") == 1 else f"=={extension.torch}"
        ):
            return error(
                f"{name} was built for another torch.",
                f"Expected torch {extension.torch}, found {facts.torch.version}.",
                uninstall(facts, name, why="torch's own attention takes over"),
            )
    xformers, flash = facts.extension("xformers"), facts.extension("flash-attn")
    if xformers is not None and flash is not None and xformers.needs and not within(flash.version, xformers.needs):
        return error(
            "xformers refuses this flash-attn.",
            f"Expected flash-attn {xformers.needs}, found {flash.version}.",
            uninstall(facts, "flash-attn", why="xformers uses its own"),
        )
    return ok("the attention packages fit")


_TORCH = Torch(version="2.6.0+cu124", tag="cu124")

CHECK = Check(
    id="flash-attention",
    area="attention",
    why="These wheels are for exactly one torch; diffusers and xformers fall with them when they are imported.",
    run=run,
    applies=applies,
    cases=("fa-undefined-symbol", "fa-version-range-diffusers", "win-sage-dll"),
    examples=(
        Case(
            facts=Facts(torch=_TORCH, extensions=(Extension(name="flash-attn", version="2.7.4", torch="2.6"),)),
            expect=Status.OK,
        ),
        Case(
            facts=Facts(torch=_TORCH, extensions=(Extension(name="flash-attn", version="2.5.6", torch="2.2"),)),
            expect=Status.ERROR,
        ),
        Case(
            facts=Facts(
                torch=_TORCH,
                extensions=(
                    Extension(name="flash-attn", version="2.8.0.post2"),
                    Extension(name="xformers", version="0.0.30", needs=">=2.7.1,<=2.7.4"),
                ),
            ),
            expect=Status.ERROR,
        ),
    ),
)
