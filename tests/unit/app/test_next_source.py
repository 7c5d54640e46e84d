"""A planned source that can't be reached: planned again without it, where that satisfies the wish."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

import pytest

from dreamboot import catalog, planning
from dreamboot.app.context import Context
from dreamboot.app.next_source import from_next_source
from dreamboot.machine.stated import state_machine
from dreamboot.model import DreambootError, Event, EventKind, Machine, Plan, Problem, SourceKind, Wish
from support.fake_host import FakeHost

CONTEXT = Context(host=FakeHost(), home=Path("/home/me/dreamboot"), confirm=lambda question, default=False: default)
WHEEL = "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"


def machine(**more) -> Machine:
    return state_machine({"os": "linux", "libc": "glibc 2.36", "python": ["3.12.4"], **more})


class Locks:
    """Locks, as far as its sources answer: those named in `dead` do not."""

    def __init__(self, *dead: str, problem: str = "index-unreachable") -> None:
        self.dead, self.problem, self.asked = dead, problem, []

    def __call__(self, plan: Plan) -> Iterator[Event]:
        self.asked.append(plan.torch.source)
        for host in self.dead:
            if host in plan.torch.url:
                cause = f"error: Failed to fetch: `https://{host}/whl/cpu/torch/` Caused by: dns error"
                raise DreambootError(Problem(id=self.problem, what="not resolved", cause=cause))
        yield Event(kind=EventKind.FINISHED, stage="lock", message=plan.torch.local_version)


def run(stated: Machine, locks: Locks, wish: Wish | None = None) -> List[Event]:
    wish = wish or Wish()
    plan = planning.plan(stated, wish, catalog.load())
    assert isinstance(plan, Plan)
    return list(from_next_source(CONTEXT, wish, (stated, plan), locks))


def test_where_everything_answers_the_plan_is_used_as_it_is() -> None:
    locks = Locks()
    assert [event.message for event in run(machine(), locks)] == ["2.15.0+cpu"]
    assert locks.asked == [SourceKind.PYTORCH_INDEX]


def test_a_machine_of_which_no_source_is_known_falls_back_to_the_default_index() -> None:
    locks = Locks("download.pytorch.org")
    said, done = run(machine(), locks)
    assert locks.asked == [SourceKind.PYTORCH_INDEX, SourceKind.DEFAULT_INDEX]
    assert "download.pytorch.org/whl/cpu could not be reached" in said.message
    assert said.data == {"important": True}
    assert done.message == "2.15.0"


def test_a_folder_comes_before_the_default_index() -> None:
    sources = [
        {"kind": "pytorch-index", "reachable": True},
        {"kind": "find-links", "url": "/wheels", "reachable": True, "torch_wheels": [WHEEL]},
        {"kind": "default-index"},
    ]
    locks = Locks("download.pytorch.org")
    assert run(machine(sources=sources), locks)[-1].message == "2.13.0+cpu"
    assert locks.asked == [SourceKind.PYTORCH_INDEX, SourceKind.FIND_LINKS]


def test_one_source_after_the_other() -> None:
    sources = [
        {"kind": "pytorch-index", "url": "https://one.example/whl", "reachable": True},
        {"kind": "configured-index", "url": "https://two.example/simple", "reachable": True,
         "torch_wheels": ["torch-2.14.1-cp312-cp312-manylinux_2_28_x86_64.whl"]},
        {"kind": "default-index"},
    ]  # fmt: skip
    locks = Locks("one.example", "two.example")
    assert run(machine(sources=sources), locks)[-1].message == "2.15.0"
    assert locks.asked == [SourceKind.PYTORCH_INDEX, SourceKind.CONFIGURED_INDEX, SourceKind.DEFAULT_INDEX]


@pytest.mark.parametrize(
    ("stated", "wish", "locks"),
    [
        # On Windows no other source has a CUDA build.
        ({"os": "windows 11", "gpu": "RTX 3060", "driver": "581.29"}, Wish(), Locks("download.pytorch.org")),
        ({}, Wish(torch_index="https://mirror.example/whl"), Locks("mirror.example")),
        ({}, Wish(), Locks("download.pytorch.org", problem="packages-unresolvable")),
        ({"sources": [{"kind": "default-index"}]}, Wish(), Locks("")),
    ],
)
def test_what_another_source_does_not_mend_stays_the_first_problem(stated, wish, locks) -> None:
    with pytest.raises(DreambootError) as raised:
        run(machine(**stated), locks, wish)
    assert raised.value.problem.id == locks.problem
    assert len(locks.asked) == 1


def test_another_place_that_does_not_answer_is_not_the_plans_source() -> None:
    def locks(plan: Plan) -> Iterator[Event]:
        cause = "error: Failed to fetch: `https://index.example/simple/numpy/` Caused by: dns error"
        raise DreambootError(Problem(id="index-unreachable", what="not resolved", cause=cause))
        yield

    with pytest.raises(DreambootError):
        run(machine(), locks)
