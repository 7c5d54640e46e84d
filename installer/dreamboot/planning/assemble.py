"""From the accepted build to the whole plan: packages, variables, accelerate, preset, cost and every reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Sequence, Tuple

from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice, PackageIndexes, Plan, Rejected, SourceKind, TorchBuild
from dreamboot.planning import accelerate, cost, packages, precision, preset, reasons, variables
from dreamboot.planning.companions import Chosen, all_companions
from dreamboot.planning.judging import Verdict, rejected_of
from dreamboot.planning.question import Candidate, Question
from dreamboot.planning.refusal import as_rejected
from dreamboot.planning.stack import pair


def assemble(question: Question, candidate: Candidate, verdicts: Sequence[Verdict]) -> Plan:
    """The plan of an accepted candidate. Raises `DreambootError` (refused) where a pin fits nothing."""
    interpreter, stack = pair(candidate, question)
    chosen = Chosen(candidate=candidate, interpreter=interpreter, stack=stack, question=question)
    additions = [decide(chosen) for _, decide in all_companions()]
    wanted, bound = packages.packages(chosen, additions)
    number_format = precision.mixed_precision(question.target, question.wish.profile)
    environment, variable_reasons = variables.variables(chosen)
    training, preset_warnings = preset.preset(chosen, number_format, eight_bit="bitsandbytes" in wanted)
    attention = _attention(chosen, wanted)
    version = wanted.get("accelerate", "").lstrip("=") or "0"
    build = TorchBuild(
        version=candidate.version, tag=candidate.tag, source=candidate.kind, url=candidate.url, plain=candidate.plain
    )
    return Plan(
        python=interpreter.minor, python_path=interpreter.path, torch=build,
        device=question.target.device,
        gpus=tuple(card.gpu.index for card in question.target.cards),
        platform=question.platform, packages={"torch": f"=={build.local_version}", **wanted},
        attention=attention.value, patches=stack.patches, environment=environment,
        accelerate=accelerate.settings(chosen, number_format.value, version),
        preset=training, cost=cost.cost(chosen), profile=question.wish.profile,
        because=(
            *reasons.main_reasons(chosen), *(one.because for one in additions if one.because is not None), *bound,
            attention, number_format, *variable_reasons,
            Choice(topic="preset", value=training.method, reason=training.reason),
        ),
        rejected=(
            *rejected_of(verdicts, question), *as_rejected(question),
            *(rejected for one in additions for rejected in one.rejected), *_outranked(candidate, verdicts),
        ),
        warnings=(*question.target.warnings, *reasons.warnings(chosen), *preset_warnings,
                  *(text for one in additions for text in one.warnings)),
        indexes=_indexes(question), unused_folders=_unused_folders(question, candidate),
    )  # fmt: skip


def _indexes(question: Question) -> PackageIndexes:
    """The machine's own, with `--index` in place of its default index."""
    here = question.machine.indexes
    return replace(here, index_url=question.wish.index or here.index_url)


def _unused_folders(question: Question, candidate: Candidate) -> Tuple[str, ...]:
    """Folders with a torch of the planned version but another build."""
    if candidate.kind is SourceKind.FIND_LINKS:
        return ()
    return tuple(
        source.url
        for source in question.machine.sources
        if source.kind is SourceKind.FIND_LINKS
        and any(name.startswith(f"torch-{candidate.version}") for name in source.torch_wheels)
    )


def _outranked(candidate: Candidate, verdicts: Sequence[Verdict]) -> Tuple[Rejected, ...]:
    """Candidates that would work, but are not the best."""
    return tuple(
        Rejected(
            candidate=verdict.candidate.label, reason=f"it would work; {candidate.label} is preferred", rule="best"
        )
        for verdict in verdicts
        if verdict.accepted and verdict.candidate is not candidate
    )


def _attention(chosen: Chosen, wanted: Mapping[str, str]) -> Choice:
    if "xformers" in wanted:
        return Choice(topic="attention", value="xformers", reason="asked for with --pin xformers")
    if not at_least(chosen.candidate.version, "2.0"):
        return Choice(topic="attention", value="naive", reason="torch has scaled_dot_product_attention from 2.0 on")
    reason = "built into torch from 2.0 on, memory-efficient on every GPU that the build has code for"
    return Choice(topic="attention", value="sdpa", reason=reason)
