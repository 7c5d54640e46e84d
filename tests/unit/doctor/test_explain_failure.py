"""What a failed build says of its cause, by itself."""

from __future__ import annotations

import pytest

from dreamboot.app.explain_failure import with_likely_cause
from dreamboot.app.next_source import from_next_source
from dreamboot.model import DreambootError, ExitCode, Machine, Plan, Problem, SourceKind, TorchBuild, Wish


def failed(problem_id, said):
    problem = Problem(id=problem_id, what="It failed.", cause=said, hint="dreamboot doctor")
    return DreambootError(problem, exit_code=ExitCode.PROBLEM)


def test_a_known_cause_is_named_before_what_was_said():
    said = "It ended with code 1: RuntimeError: operator torchvision::nms does not exist"
    told = with_likely_cause(failed("verify-failed", said)).problem
    assert told.cause.startswith("Likely cause (cwm-torchvision-cpp-ops): ")
    assert told.cause.endswith(said)
    assert (told.id, told.what, told.hint) == ("verify-failed", "It failed.", "dreamboot doctor")


@pytest.mark.parametrize(
    ("problem_id", "said"),
    [
        ("verify-failed", "It ended with code 1: RuntimeError: the flux capacitor is empty"),
        ("disk-full", "OSError: operator torchvision::nms does not exist"),
    ],
)
def test_without_a_known_cause_nothing_is_added(problem_id, said):
    error = failed(problem_id, said)
    assert with_likely_cause(error) is error


def test_build_and_up_tell_it():
    plan = Plan(python="3.11", torch=TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS))

    def building(_plan):
        raise failed("verify-failed", "RuntimeError: operator torchvision::nms does not exist")
        yield

    with pytest.raises(DreambootError) as told:
        list(from_next_source(None, Wish(), (Machine(os="linux"), plan), building))
    assert "cwm-torchvision-cpp-ops" in told.value.problem.cause
