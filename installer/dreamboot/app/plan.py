"""Use case: say what would be built on this machine, and why. Changes nothing."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import with_patches, without_logins
from dreamboot.model import Decision, Event, ExitCode, Plan, Refusal, Report, Wish
from dreamboot.values import to_json


def plan(context: Context, wish: Wish) -> Iterator[Union[Event, Report]]:
    """Ends with a report whose data is the plan, or `{"schema": 1, "refused": …}` with exit code 3."""
    from dreamboot import catalog, planning

    machine = context.machine()
    decision = planning.plan(machine, without_logins(wish), catalog.load())
    yield report(decision if isinstance(decision, Refusal) else with_patches(context, machine, decision))


def report(decision: Decision) -> Report:
    """A decision as a report."""
    if isinstance(decision, Refusal):
        data = {
            "schema": 1, "refused": to_json(decision.problem), "conflicts": to_json(decision.conflicts),
            "rejected": to_json(decision.rejected),
        }  # fmt: skip
        return Report(command="plan", data=data, exit_code=ExitCode.REFUSED, problem=decision.problem)
    return Report(command="plan", data=document(decision))


def document(plan: Plan) -> Dict[str, Any]:
    """The plan as the JSON that is promised to other programs, with its id."""
    return {"schema": plan.schema, "id": plan.id, **to_json(plan)}
