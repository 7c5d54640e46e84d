"""A recording without an optimizer becomes the trace of a run with one: its states, and what it needs while it works.

So optimizers can be compared on one recording: networks and gradients are the same under each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from dreamboot_trainer.predict.states import Weight, sizes, workspace
from dreamboot_trainer.predict.trace import Event, Trace

STATES, WORKSPACE = "optimizer states", "optimizer's workspace"


def with_optimizer(trace: Trace, weights: Sequence[Weight], optimizer: str, implementation: str = "auto") -> Trace:
    """A new trace. The states are made at the first of its marks, and stay; the workspace comes and goes at each."""
    made = Trace(parts=dict(trace.parts))
    names = itertools.count(-1, -1)
    passing = workspace([weight.shape for weight in weights], optimizer, implementation)
    at = [0, *trace.marks, len(trace.events)]
    inserted = [0]
    for number, (begin, end) in enumerate(itertools.pairwise(at)):
        if number:
            before = len(made.events)
            if number == 1:
                made.events += _allocated(made, names, STATES, state_sizes(weights, optimizer, implementation))
            for event in _allocated(made, names, WORKSPACE, [passing]):
                made.events += (event, Event(event.key, -event.size))
            inserted.append(len(made.events) - before)
        made.events += trace.events[begin:end]
    for name, moment in trace.moments.items():
        first, last = (
            place + sum(more for mark, more in zip(trace.marks, inserted[1:], strict=True) if mark < place)
            for place in moment
        )
        made.moments[name] = (first, last)
    return made


def state_sizes(weights: Sequence[Weight], optimizer: str, implementation: str = "auto") -> list[int]:
    """Bytes of each of the optimizer's states for these weights."""
    each = (sizes(weight.shape, optimizer, implementation=implementation, zero=weight.zero) for weight in weights)
    return [size for found in each for size in found]


def _allocated(trace: Trace, names: Iterator[int], part: str, found: Sequence[int]) -> Iterator[Event]:
    for size in found:
        if size:
            key = next(names)
            trace.parts[key] = part
            yield Event(key, size)
