"""bitsandbytes: the newest release whose wheel really holds a library for this build and these GPUs."""

from __future__ import annotations

from typing import List, Mapping, Optional, Tuple

from packaging.requirements import Requirement

from dreamboot.catalog.rows import BitsandbytesRelease
from dreamboot.catalog.versions import at_least, cuda_of, numbers
from dreamboot.model import Choice, Problem, Rejected
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.conflicts import PinRefusedError, known, surroundings
from dreamboot.planning.pins import allows

NAME = "bitsandbytes"


def decide(chosen: Chosen) -> Addition:
    """8-bit optimizers where they work; without it training uses the plain optimizer."""
    if NAME in chosen.stack.packages:
        return Addition()
    if chosen.question.target.device == "mps":
        return Addition(because=Choice(topic=NAME, value="left out", reason="it has no 8-bit optimizers on Apple GPUs"))
    refused: List[Rejected] = []
    for release in sorted(chosen.question.catalog.table("bitsandbytes"), key=lambda row: numbers(row.version))[::-1]:
        library, fault = library_for(release, chosen)
        if not fault:
            reason = f"its wheel holds {library}" + _covering(chosen)
            return Addition(
                packages={NAME: f"=={release.version}"},
                because=Choice(topic=NAME, value=release.version, reason=reason),
                rejected=tuple(refused),
            )
        facts = {**surroundings(chosen.candidate, chosen.question), NAME: (release.version,)}
        conflict = known(NAME, facts, chosen.question.catalog)
        refused.append(Rejected(candidate=f"{NAME} {release.version}", reason=fault, rule=NAME, conflict=conflict))
    why = refused[0].reason if refused else "no release is known"
    pin = chosen.question.pins.get(NAME)
    if pin is not None:
        asked = [row for row in refused if "--pin" not in row.reason]
        conflicts = dict.fromkeys(row.conflict for row in asked if row.conflict is not None)
        raise PinRefusedError(_pinned(str(pin), chosen, asked), conflicts)
    return Addition(because=Choice(topic=NAME, value="left out", reason=why), rejected=tuple(refused))


def _pinned(pin: str, chosen: Chosen, asked: List[Rejected]) -> Problem:
    """`--pin` is honoured or refused: releases that fit the pin (`asked`), and why none of them works here."""
    known = ", ".join(row.version for row in chosen.question.catalog.table(NAME))
    return Problem(
        id="bitsandbytes-does-not-fit",
        what=f"No bitsandbytes release that satisfies --pin {pin} works beside {chosen.candidate.label}.",
        cause="; ".join(f"{row.candidate}: {row.reason}" for row in asked)
        or f"The catalog knows what is in the wheels of {known}, and of no release that the pin allows.",
        hint=f"Leave --pin {pin} out: the newest release that works here is chosen",
    )


def _covering(chosen: Chosen) -> str:
    cards = chosen.question.target.cards
    code = sorted({card.compute_capability or card.gfx for card in cards} - {""})
    return f" with code for {', '.join(code)}" if code else ""


def library_for(release: BitsandbytesRelease, chosen: Chosen) -> Tuple[str, str]:
    """(the library that will be loaded, "") or ("", why none works)."""
    question, candidate = chosen.question, chosen.candidate
    pin = question.pins.get(NAME)
    if pin is not None and not allows(pin, release.version):
        return "", f"--pin {pin} asks for another version"
    for specifier, version, what in (
        (release.python, chosen.interpreter.minor, "Python"),
        (release.torch, candidate.version, "torch"),
    ):
        if specifier and not allows(Requirement(f"x{specifier}"), version):
            return "", f"it needs {what} {specifier}"
    libraries = release.libraries.get(question.platform)
    if libraries is None:
        return "", f"it has no wheel with libraries for {question.platform}"
    device = question.target.device
    if device == "cpu":
        # Before 0.50 the optimizers have no 8-bit kernels for the CPU.
        return ("the CPU library with 8-bit optimizers", "") if at_least(release.version, "0.50") else (
            "", "its optimizers have no 8-bit kernels for the CPU")  # fmt: skip
    if device == "xpu":
        found = next((name for name in libraries if name.startswith("xpu")), "")
        need = release.glibc.get("xpu", "") if question.machine.os == "linux" else ""
        have = question.machine.libc_version
        if found and need and have and not at_least(have, need):
            return "", f"its XPU library needs glibc {need}, this system has {have}"
        return (found, "") if found else ("", "it has no XPU library")
    if device == "rocm":
        wanted = "rocm" + candidate.tag[4:].replace(".", "")
        return (wanted, "") if wanted in libraries else ("", f"it has no {wanted} library")
    return _cuda(release, libraries, chosen)


def _cuda(release: BitsandbytesRelease, libraries: Mapping[str, Tuple[str, ...]], chosen: Chosen) -> Tuple[str, str]:
    name = _loaded(libraries, cuda_of(chosen.candidate.tag), release.loader)
    if name is None:
        return "", f"it has no library for CUDA {cuda_of(chosen.candidate.tag)}"
    for card in chosen.question.target.cards:
        if libraries[name] and not covers(libraries[name], card.compute_capability):
            return "", f"its {name} has no code for compute capability {card.compute_capability}"
    return name, ""


def _loaded(libraries: Mapping[str, Tuple[str, ...]], cuda: str, loader: str) -> Optional[str]:
    """The library that bitsandbytes' own loader takes: exact; from 0.50 else a neighbour of the same major."""
    exact = "cuda" + cuda.replace(".", "")
    if exact in libraries:
        return exact
    if loader != "same-major":
        return None
    major = cuda.split(".", maxsplit=1)[0]
    same = sorted(name for name in libraries if name.startswith(f"cuda{major}") and name[4:].isdigit())
    lower = [name for name in same if name < exact]
    return lower[-1] if lower else (same[0] if same else None)


def covers(code: Tuple[str, ...], capability: str) -> bool:
    """Machine code of the same major and no higher minor, or PTX of anything not above."""
    have = numbers(capability)
    for entry in code:
        arch = numbers(entry)
        if (entry.endswith("+PTX") and arch <= have) or (arch[:1] == have[:1] and arch <= have):
            return True
    return False
