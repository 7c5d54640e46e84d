"""From the accepted build to the whole plan: packages, variables, accelerate, preset, cost and every reason."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice, DreambootError, ExitCode, Plan, Problem, Rejected, SourceKind, TorchBuild
from dreamboot.planning import accelerate, cost, precision, preset, variables
from dreamboot.planning.companions import Addition, Chosen, all_companions
from dreamboot.planning.judging import Verdict, rejected_of
from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Question
from dreamboot.planning.refusal import as_rejected
from dreamboot.planning.rules.driver import needed
from dreamboot.planning.stack import pair


def assemble(question: Question, candidate: Candidate, verdicts: Sequence[Verdict]) -> Plan:
    """The plan of an accepted candidate. Raises `DreambootError` (refused) where a pin fits nothing."""
    interpreter, stack = pair(candidate, question)
    chosen = Chosen(candidate=candidate, interpreter=interpreter, stack=stack, question=question)
    additions = [decide(chosen) for _, decide in all_companions()]
    packages, bound = _packages(chosen, additions)
    number_format = precision.mixed_precision(question.target)
    environment, variable_reasons = variables.variables(chosen)
    training, preset_warnings = preset.preset(chosen, number_format, eight_bit="bitsandbytes" in packages)
    attention = _attention(chosen, packages)
    version = packages.get("accelerate", "").lstrip("=") or "0"
    build = TorchBuild(
        version=candidate.version, tag=candidate.tag, source=candidate.kind, url=candidate.url, plain=candidate.plain
    )
    return Plan(
        python=interpreter.minor, python_path=interpreter.path, torch=build,
        device=question.target.device,
        gpus=tuple(card.gpu.index for card in question.target.cards),
        platform=question.platform, packages={"torch": f"=={build.local_version}", **packages}, attention=attention.value, patches=stack.patches,
        environment=environment,
        accelerate=accelerate.settings(chosen, number_format.value, version),
        preset=training, cost=cost.cost(chosen), profile=question.wish.profile,
        because=(
            *_main_reasons(chosen), *(one.because for one in additions if one.because is not None), *bound,
            attention, number_format, *variable_reasons,
            Choice(topic="preset", value=training.method, reason=training.reason),
        ),
        rejected=(
            *rejected_of(verdicts), *as_rejected(question),
            *(rejected for one in additions for rejected in one.rejected), *_outranked(candidate, verdicts),
        ),
        warnings=(*question.target.warnings, *_warnings(chosen), *preset_warnings,
                  *(text for one in additions for text in one.warnings)),
        indexes=question.machine.indexes,
    )  # fmt: skip


def _outranked(candidate: Candidate, verdicts: Sequence[Verdict]) -> Tuple[Rejected, ...]:
    """Candidates that would work, but are not the best."""
    return tuple(
        Rejected(candidate=verdict.candidate.label, reason=f"it would work; {candidate.label} is preferred", rule="best")
        for verdict in verdicts
        if verdict.accepted and verdict.candidate is not candidate
    )


# ---------------------------------------------------------------- packages


def _packages(chosen: Chosen, additions: Sequence[Addition]) -> Tuple[Dict[str, str], List[Choice]]:
    """The requirement of every distribution, pins and constraints worked in, and what they changed."""
    question = chosen.question
    found = dict(chosen.stack.packages)
    for addition in additions:
        found.update(addition.packages)
    reasons = []
    by_name = {canonicalize_name(name): name for name in found}
    for key, pin in question.pins.items():
        if key in ("torch", "python", "bitsandbytes", "xformers"):
            continue
        name = by_name.get(key, pin.name)
        found[name] = str(pin.specifier)
        reasons.append(Choice(topic=name, value=str(pin.specifier) or "any", reason="asked for with --pin"))
    for key, requirements in question.constraints.items():
        name = by_name.get(key, "")
        if not name or name == "torch" or key in question.pins:
            continue
        asked = ",".join(str(requirement.specifier) for requirement in requirements)
        if not _within(found[name], requirements):
            found[name] = _relaxed(name, asked)
            reasons.append(Choice(topic=name, value=found[name], reason=f"pip's constraint {asked} forbids the usual one"))
    _refuse_conflicts(found, chosen)
    return found, reasons


def _within(requirement: str, constraints: Sequence[Requirement]) -> bool:
    """Whether an exact pin satisfies the constraints; a range is left to the resolver, which sees both."""
    if not requirement.startswith("=="):
        return True
    return all(allows(constraint, requirement[2:].split("+")[0]) for constraint in constraints)


def _relaxed(name: str, asked: str) -> str:
    oldest = _OLDEST.get(name)
    return f">={oldest},{asked}" if oldest else asked


# The oldest releases that work together with transformers 5 (catalog: conflicts).
_OLDEST = {"diffusers": "0.37", "transformers": "5", "accelerate": "1.10", "peft": "0.17"}


def _refuse_conflicts(packages: Dict[str, str], chosen: Chosen) -> None:
    """A pin that breaks a package which the trainer needs is refused before anything is downloaded."""
    if chosen.question.wish.profile:
        return
    for name, oldest in _OLDEST.items():
        pin = chosen.question.pins.get(name)
        exact = [part for part in (pin.specifier if pin else ()) if part.operator in ("==", "<", "<=", "===")]
        for part in exact:
            if not at_least(part.version, oldest) and part.operator != "<":
                raise DreambootError(
                    Problem(
                        id="pin-below-floor",
                        what=f"--pin {pin} asks for a {name} that the trainer does not run on.",
                        cause=f"It needs {name} {oldest} or newer, beside transformers 5.",
                        hint=f'--pin "{name}>={oldest}", or leave it out ({packages[name]} is planned)',
                    ),
                    exit_code=ExitCode.REFUSED,
                )


def _attention(chosen: Chosen, packages: Dict[str, str]) -> Choice:
    if "xformers" in packages:
        return Choice(topic="attention", value="xformers", reason="asked for with --pin xformers")
    if not at_least(chosen.candidate.version, "2.0"):
        return Choice(topic="attention", value="naive", reason="torch has scaled_dot_product_attention from 2.0 on")
    reason = "built into torch from 2.0 on, memory-efficient on every GPU that the build has code for"
    return Choice(topic="attention", value="sdpa", reason=reason)


# ---------------------------------------------------------------- reasons


def _main_reasons(chosen: Chosen) -> Tuple[Choice, ...]:
    candidate, question = chosen.candidate, chosen.question
    return (
        Choice(topic="device", value=question.target.device, reason=question.target.reason),
        Choice(topic="torch", value=f"{candidate.version}+{candidate.tag}", reason=_why_build(chosen)),
        Choice(topic="source", value=candidate.kind.value, reason=_why_source(chosen)),
        Choice(topic="python", value=chosen.interpreter.minor, reason=_why_python(chosen)),
        Choice(topic="packages", value=chosen.stack.name, reason="; ".join(_stack_sources(chosen))),
    )


def _stack_sources(chosen: Chosen) -> List[str]:
    known = chosen.question.catalog.sources("stacks")
    return [known.get(name, name) for name in chosen.stack.source]


def _why_build(chosen: Chosen) -> str:
    candidate, target = chosen.candidate, chosen.question.target
    newest = "the newest release that works here"
    pin = chosen.question.pins.get("torch")
    if pin is not None:
        newest = f"asked for with --pin {pin}"
    elif chosen.question.constraints.get("torch"):
        asked = ", ".join(str(requirement) for requirement in chosen.question.constraints["torch"])
        newest += f" within pip's constraint {asked}"
    if target.device == "cuda":
        code = ", ".join(sorted({card.compute_capability for card in target.cards}))
        need = needed(candidate, chosen.question)
        have = target.driver.version if target.driver else "not stated"
        return f"{newest}: it has code for compute capability {code}, and driver {have} reaches {need}"
    if target.device == "rocm":
        return f"{newest}: it has code for {', '.join(sorted({card.gfx for card in target.cards}))}"
    if target.device == "cpu" and candidate.tag.startswith("cu"):
        return f"{newest}; no source that answers has a CPU build, and a CUDA build also computes on a CPU"
    return newest


def _why_source(chosen: Chosen) -> str:
    candidate = chosen.candidate
    where = candidate.url or {
        SourceKind.DEFAULT_INDEX: "the default package index",
    }.get(candidate.kind, candidate.kind.value)
    unreachable = [
        f"{source.kind.value}: {source.reason or 'not reachable'}"
        for source in chosen.question.machine.sources
        if source.reachable is False
    ]
    return where + (f" ({'; '.join(unreachable)})" if unreachable else "")


def _why_python(chosen: Chosen) -> str:
    item = chosen.interpreter
    if item.path:
        return f"{item.path} ({item.version}): best known of the Pythons here that the build has a wheel for"
    here = ", ".join(f"{other.version} ({other.fault or 'no wheel'})" for other in chosen.question.interpreters if other.path)
    return f"uv downloads it: no Python here fits ({here or 'none was found'})"


def _warnings(chosen: Chosen) -> List[str]:
    candidate, target = chosen.candidate, chosen.question.target
    found = []
    if target.device == "cpu" and candidate.tag.startswith("cu"):
        found.append(
            "The CPU build of torch can't be reached, so the CUDA build of the default index is used: it works on a "
            "CPU, but is a download of about 3 GB. A CPU wheel in a find-links folder, or --torch-index with a mirror, "
            "avoids that."
        )
    if target.device == "cuda" and candidate.kind is SourceKind.PYTORCH_INDEX and candidate.unverified:
        found.append(
            f"That the PyTorch index holds {candidate.version}+{candidate.tag} is inferred from its release notes; if "
            "it is not found, pin the release before it."
        )
    if chosen.question.machine.os == "windows" and len(target.cards) > 1:
        found.append("On Windows torch has no NCCL: training uses the first of the GPUs.")
    if chosen.interpreter.kind == "conda":
        found.append("The Python belongs to conda: removing that conda installation breaks the environment.")
    return found
