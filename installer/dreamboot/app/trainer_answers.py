"""Short commands of the trainer: what they print, or the Problem that they tell."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional, Sequence

from dreamboot.app.context import Context
from dreamboot.launching import trainer
from dreamboot.model import DreambootError, Environment, Problem

# The check decodes every photo: thousands of large ones on a slow disk take minutes.
CHECK_SECONDS = 900.0
# How the ids of faults begin that are in the settings of a call.
_OF_A_CALL = "config-"


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
    others = problems[1:]
    if others and all(str(p.get("id")).startswith(_OF_A_CALL) for p in problems):
        # A command that was pasted from elsewhere is corrected in one go, and not flag by flag.
        first["cause"] += f" (and {len(others)} more)"
        first["hint"] = "\n".join(dict.fromkeys((first["hint"], *(_in_short(p) for p in others))))
    elif others:
        first["cause"] += f" (and {len(others)} more: " + "; ".join(str(p.get("what")) for p in others[:3]) + ")"
    return Problem(**first)


def _in_short(problem: Mapping[str, Any]) -> str:
    """One line of what to do; advice on an unknown key names it, and other advice needs to be told of what it is."""
    words = ("hint",) if problem.get("id") == "config-unknown-key" else ("what", "cause", "hint")
    return " ".join(str(problem.get(word, "")) for word in words)
