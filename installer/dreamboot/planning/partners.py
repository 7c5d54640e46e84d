"""Packages of which each release is made for one torch: torchvision and torchaudio."""

from __future__ import annotations

from typing import Callable, Optional

from dreamboot.catalog.rows import TorchRelease
from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice, Problem, SourceKind
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.conflicts import PinRefusedError, known, named, surroundings
from dreamboot.planning.pins import allows

Releases = Callable[[TorchRelease], str]


def partner(chosen: Chosen, name: str, made_for: Releases) -> Addition:
    """The release made for this torch, from torch's own source: from another one it does not load beside torch.

    `made_for`: a torch release → its partner, "" for none. Raises `PinRefusedError` for a pin on another release.
    """
    candidate = chosen.candidate
    release = chosen.question.catalog.release(candidate.version)
    fitting = made_for(release) if release else ""
    _honour_pin(chosen, name, fitting, made_for)
    why = ""
    if not fitting:
        why = f"no release for torch {candidate.version} is known"
    elif candidate.kind is SourceKind.PYTORCH_INDEX:
        wanted = f"=={fitting}+{candidate.tag}"
    elif candidate.kind is SourceKind.DEFAULT_INDEX:
        wanted = f"=={fitting}"
    else:
        why = (
            f"{candidate.kind.value} holds torch alone; the default index's {name} is compiled for another build "
            "and does not load beside this one"
        )
    if why:
        return without(name, why, warn=f"{name}: {why}.")
    reason = f"the release made for torch {candidate.version}, from torch's own source"
    return Addition(packages={name: wanted}, because=Choice(topic=name, value=wanted[2:], reason=reason))


def _honour_pin(chosen: Chosen, name: str, fitting: str, made_for: Releases) -> None:
    pin, catalog = chosen.question.pins.get(name), chosen.question.catalog
    if pin is None or (fitting and allows(pin, fitting, chosen.candidate.tag)):
        return
    offered = [row for row in catalog.releases if at_least(row.torch, catalog.floor("torch").oldest)]
    torch = next((row.torch for row in reversed(offered) if made_for(row) and allows(pin, made_for(row))), "")
    way = f'--pin "torch=={torch}" has such a {name}; or l' if torch else "L"
    version = chosen.candidate.version
    own = f"{fitting} is the one for {version}" if fitting else f"there is none for {version}"
    conflict = known(name, surroundings(chosen.candidate, chosen.question), catalog)
    raise PinRefusedError(
        Problem(
            id=f"{name}-does-not-fit",
            what=f"--pin {pin} does not go with torch {version}.",
            cause=f"Each {name} is compiled for one torch: {own}.",
            hint=f"{way}eave --pin {pin} out" + (f": {name} {fitting} is planned then" if fitting else ""),
        ),
        (conflict or named("torchvision-torch", catalog),),
    )


def without(name: str, why: str, *, warn: Optional[str] = None) -> Addition:
    """Left out, and why."""
    because = Choice(topic=name, value="left out", reason=why)
    return Addition(because=because, warnings=(warn,) if warn else ())
