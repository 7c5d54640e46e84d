"""torchvision: only when it is wanted, and only the release made for this torch from the same source."""

from __future__ import annotations

from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice, DreambootError, ExitCode, Problem, SourceKind
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.pins import allows


def decide(chosen: Chosen) -> Addition:
    """Training does not need it. From another source than torch's it does not load beside torch."""
    asked = chosen.question.wish.torchvision or "torchvision" in chosen.question.pins
    if not asked and "torchvision" not in chosen.stack.packages:
        return Addition(because=Choice(topic="torchvision", value="left out", reason="training does not need it"))
    candidate = chosen.candidate
    release = chosen.question.catalog.release(candidate.version)
    if release is None or not release.torchvision:
        return _without(f"no release for torch {candidate.version} is known")
    _honour_pin(chosen, release.torchvision)
    if candidate.kind is SourceKind.PYTORCH_INDEX:
        wanted = f"=={release.torchvision}+{candidate.tag}"
    elif candidate.kind is SourceKind.DEFAULT_INDEX:
        wanted = f"=={release.torchvision}"
    else:
        return _without(
            f"{candidate.kind.value} holds torch alone; the default index's torchvision is compiled for another build "
            "and does not load beside this one"
        )
    reason = f"the release made for torch {candidate.version}, from torch's own source"
    return Addition(
        packages={"torchvision": wanted}, because=Choice(topic="torchvision", value=wanted[2:], reason=reason)
    )


def _honour_pin(chosen: Chosen, fitting: str) -> None:
    """Raises `DreambootError` for a pin on another release than the one made for this torch."""
    pin = chosen.question.pins.get("torchvision")
    if pin is None or allows(pin, fitting, chosen.candidate.tag):
        return
    catalog = chosen.question.catalog
    offered = [row for row in catalog.releases if at_least(row.torch, catalog.floor("torch").oldest)]
    torch = next((row.torch for row in reversed(offered) if row.torchvision and allows(pin, row.torchvision)), "")
    way = f'--pin "torch=={torch}" has such a torchvision; or l' if torch else "L"
    raise DreambootError(
        Problem(
            id="torchvision-does-not-fit",
            what=f"--pin {pin} does not go with torch {chosen.candidate.version}.",
            cause=f"Each torchvision is compiled for one torch: {fitting} is the one for {chosen.candidate.version}.",
            hint=f"{way}eave --pin {pin} out: torchvision {fitting} is planned then",
        ),
        exit_code=ExitCode.REFUSED,
    )


def _without(why: str) -> Addition:
    return Addition(
        because=Choice(topic="torchvision", value="left out", reason=why), warnings=(f"torchvision: {why}.",)
    )
