"""A failed build says its likely cause by itself: `explain` reads the words of the program that failed."""

from __future__ import annotations

from dataclasses import replace

from dreamboot.model import DreambootError

# Problems whose cause quotes what uv or a child said; all others are decisions of ours, and know why.
QUOTING = frozenset({"venv-failed", "install-failed", "verify-failed", "packages-unresolvable", "index-unreachable"})


def with_likely_cause(error: DreambootError) -> DreambootError:
    """`error` with the likely cause before the quoted words; the same error when `explain` does not know one.

    Its hint stays: a symptom's commands are for environments that people keep by hand, ours is rebuilt from its lock.
    """
    problem = error.problem
    if problem.id not in QUOTING:
        return error
    from dreamboot.doctor.symptoms import explain

    causes = explain(problem.cause)
    if not causes:
        return error
    likely = causes[0]
    cause = f"Likely cause ({likely.id}): {likely.problem.what} {likely.problem.cause} It said: {problem.cause}"
    return DreambootError(replace(problem, cause=cause), exit_code=error.exit_code)
