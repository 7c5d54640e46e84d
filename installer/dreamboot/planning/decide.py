"""The decision: target, candidates, the best accepted one, and everything that follows from it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import List, Optional, Tuple, Union

from dreamboot.catalog import Catalog
from dreamboot.catalog.versions import numbers
from dreamboot.model import Decision, DreambootError, Machine, Plan, Problem, Refusal, Wish
from dreamboot.planning import assemble, refusal, target
from dreamboot.planning.conflicts import PinRefusedError
from dreamboot.planning.interpreters import interpreters
from dreamboot.planning.judging import Verdict, best_of, judge
from dreamboot.planning.pins import parse_constraints, parse_pins
from dreamboot.planning.question import Card, Question, Target
from dreamboot.planning.refusal import Detour
from dreamboot.planning.unpinnable import refuse_unpinnable


def plan(machine: Machine, wish: Wish, catalog: Catalog) -> Decision:
    """The plan for this machine and wish, or the refusal that says the shortest way out."""
    try:
        return _decide(machine, wish, catalog, detours=True)
    except PinRefusedError as error:
        return Refusal(problem=error.problem, conflicts=error.conflicts)
    except DreambootError as error:
        return Refusal(problem=error.problem)


def _decide(machine: Machine, wish: Wish, catalog: Catalog, *, detours: bool) -> Decision:
    unknown = _unknown_profile(wish, catalog)
    if unknown is not None:
        return Refusal(problem=unknown)
    chosen = target.choose(machine, wish, catalog)
    if isinstance(chosen, Problem):
        return Refusal(problem=chosen)
    question = _question(machine, wish, catalog, chosen)
    verdicts = judge(question)
    best = best_of(verdicts, question)
    if best is None and len(chosen.cards) > 1:
        split = _stronger(question)
        if split is not None:
            question, verdicts = split
            best = best_of(verdicts, question)
    if best is None and _only_integrated(question):
        return _decide(machine, replace(wish, device="cpu"), catalog, detours=detours)
    if best is not None:
        return assemble.assemble(question, best, verdicts)
    other = _other_maker(question) if detours else None
    if other is not None:
        return other
    ways = _detours(question) if detours else []
    return refusal.refuse(question, verdicts, ways)


def _other_maker(question: Question) -> Optional[Plan]:
    """A card of another maker in the same machine that has a build, where nobody asked for the one that has none."""
    machine, wish, cards = question.machine, question.wish, question.target.cards
    if wish.device or wish.gpus or not cards:
        return None
    makers = {gpu.vendor for gpu in machine.gpus if gpu.usable and not gpu.integrated} - {cards[0].gpu.vendor}
    for vendor in (maker for maker in target.PREFERENCE if maker in makers):
        smaller = replace(machine, gpus=tuple(gpu for gpu in machine.gpus if gpu.vendor is vendor))
        found = _decide(smaller, wish, question.catalog, detours=False)
        if isinstance(found, Plan) and found.device != "cpu":
            names = ", ".join(card.label for card in cards)
            return replace(
                found, warnings=(*found.warnings, f"{names}: no torch build works there, so it is left out.")
            )
    return None


def _only_integrated(question: Question) -> bool:
    """Whether the cards are a processor's own graphics that nobody asked for: without a build, the CPU is meant."""
    cards, wish = question.target.cards, question.wish
    return bool(cards) and all(card.gpu.integrated for card in cards) and not (wish.device or wish.gpus)


def _unknown_profile(wish: Wish, catalog: Catalog) -> Optional[Problem]:
    known = sorted({stack.profile for stack in catalog.stacks if stack.profile})
    if not wish.profile or wish.profile in known:
        return None
    return Problem(
        id="profile-unknown",
        what=f"There is no profile {wish.profile!r}.",
        cause=f"Known: {', '.join(known)}.",
        hint=f"--profile {known[0]}, or leave it out for today's packages",
    )


def _question(machine: Machine, wish: Wish, catalog: Catalog, chosen: Target) -> Question:
    pins = parse_pins(wish.pins, machine)
    refuse_unpinnable(pins, catalog)
    return Question(
        machine=machine, wish=wish, catalog=catalog, target=chosen,
        interpreters=interpreters(machine, wish, catalog, pins),
        pins=pins, constraints=parse_constraints(machine),
    )  # fmt: skip


def _stronger(question: Question) -> Optional[Tuple[Question, Tuple[Verdict, ...]]]:
    """No build serves all cards: plan for the strongest group that has one, and say how to use the others."""
    cards = question.target.cards
    for strongest in sorted(cards, key=_strength, reverse=True):
        group = _joined(strongest, question)
        left = tuple(card for card in cards if card not in group)
        narrowed = replace(
            question.target,
            cards=group,
            left_out=left,
            reason=", ".join(card.label for card in group) + "; the stronger of GPUs that share no build",
            warnings=(*question.target.warnings, *_how_to_use(left, question)),
        )
        smaller = replace(question, target=narrowed)
        verdicts = judge(smaller)
        if any(verdict.accepted for verdict in verdicts):
            return smaller, verdicts
    return None


def _joined(strongest: Card, question: Question) -> Tuple[Card, ...]:
    """The strongest card and, strongest first, each other that still leaves a build for all; as the machine counts."""
    group = [strongest]
    for card in sorted(question.target.cards, key=_strength, reverse=True):
        if card in group:
            continue
        wider = replace(question, target=replace(question.target, cards=(*group, card)))
        if _code(card) == _code(strongest) or any(verdict.accepted for verdict in judge(wider)):
            group.append(card)
    return tuple(card for card in question.target.cards if card in group)


def _strength(card: Card) -> Tuple[Union[int, Tuple[int, ...]], ...]:
    family = int(card.gfx[3:], 16) if re.fullmatch(r"gfx[0-9a-f]+", card.gfx) else 0
    return (numbers(card.compute_capability), card.gpu.vram_total_mib or 0, family)


def _code(card: Card) -> str:
    return card.compute_capability or card.gfx


def _how_to_use(left: Tuple[Card, ...], question: Question) -> Tuple[str, ...]:
    """What becomes of the cards that are left out: an environment of their own, where there is a build for them."""
    found = []
    for card in left:
        alone = replace(question, target=replace(question.target, cards=(card,)))
        usable = any(verdict.accepted for verdict in judge(alone))
        found.append(
            f"{card.label}: no torch build has code for it together with the chosen GPU. "
            + (
                f"Use it from an environment of its own: dreamboot build --env second --gpu {card.gpu.index}"
                if usable
                else "No build of today works on it alone either."
            )
        )
    return tuple(found)


def _detours(question: Question) -> List[Detour]:
    """Other wishes that this machine can fulfil, nearest first; each was really planned."""
    machine, wish, catalog = question.machine, question.wish, question.catalog
    found: List[Detour] = []
    if "torch" in question.pins:
        other = replace(wish, pins=tuple(text for text in wish.pins if not text.lower().startswith("torch")))
        version = _torch_of(_decide(machine, other, catalog, detours=False))
        if version:
            found.append(Detour(command=f'dreamboot plan --pin "torch=={version[0]}"', gets=" ".join(version)))
    if question.target.cards and not wish.profile:
        for command, other in (
            *_on_the_cpu(wish),
            ("dreamboot plan --profile seed-2022", replace(wish, profile="seed-2022", pins=())),
        ):
            version = _torch_of(_decide(machine, other, catalog, detours=False))
            seen = any(way.command.startswith("dreamboot plan --device cpu") for way in found)
            if version and not (seen and "--device cpu" in command):
                gets = "on the CPU, slow: " if "--device cpu" in command else "packages of 2022: "
                found.append(Detour(command=command, gets=gets + " ".join(version)))
    return found


def _on_the_cpu(wish: Wish) -> List[Tuple[str, Wish]]:
    """With the pins where they hold on a CPU, else without."""
    plain = ("dreamboot plan --device cpu", replace(wish, device="cpu", gpus=(), pins=()))
    pins = "".join(f' --pin "{pin}"' for pin in wish.pins)
    return [(f"dreamboot plan --device cpu{pins}", replace(wish, device="cpu", gpus=())), plain] if pins else [plain]


def _torch_of(decision: Decision) -> Tuple[str, ...]:
    """(version, tag and source in words) of an accepted plan; () for a refusal."""
    if isinstance(decision, Refusal):
        return ()
    build = decision.torch
    return (build.version, f"with {build.tag} from {build.source.value}")
