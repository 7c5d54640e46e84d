"""Short commands of the trainer: what they print, or the Problem that they tell."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional, Sequence

from dreamboot.app.context import Context
from dreamboot.launching import trainer
from dreamboot.model import DreambootError, Environment, Problem

# The check decodes every photo: thousands of large ones on a slow disk take minutes.
CHECK_SECONDS = 900.0


def ask(context: Context, environment: Environment, variables: Dict[str, str], arguments: Sequence[str]) -> str:
    """What the command prints; its Problem becomes ours."""
    done = context.host.run(trainer.direct_command(environment, arguments), env=variables, timeout=CHECK_SECONDS)
    if done.ok:
        return done.stdout
    problem = problem_in(done.stdout)
    if problem is None:
        said = " ".join((done.stderr or done.stdout).split()[-80:])
        problem = Problem(
            id="trainer-check-failed",
            what="The trainer could not check this run.",
            cause=f"It ended with code {done.returncode}: {said}",
            hint="dreamboot doctor",
        )
    raise DreambootError(problem)


def problem_in(text: str) -> Optional[Problem]:
    """The first Problem of a `--json` answer; the others are told with it."""
    try:
        return problem_of(json.loads(text))
    except ValueError:
        return None


def problem_of(data: Mapping[str, Any]) -> Optional[Problem]:
    """The same of an answer that was read; None where it tells none."""
    problems = data.get("problems") or ([data["problem"]] if data.get("problem") else [])
    if not problems:
        return None
    first = {key: str(problems[0].get(key, "")) for key in ("id", "what", "cause", "hint", "link")}
    if len(problems) > 1:
        first["cause"] += (
            f" (and {len(problems) - 1} more: " + "; ".join(str(p.get("what")) for p in problems[1:4]) + ")"
        )
    return Problem(**first)
