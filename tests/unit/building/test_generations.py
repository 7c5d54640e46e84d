"""Generations and the journal: what counts as done, what is in use, what survives a cut line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dreamboot.building import generations, journal
from dreamboot.building.access import Access
from dreamboot.building.build import is_current, only_builder
from dreamboot.building.layout import Layout
from dreamboot.building.lock import requirement_lines
from dreamboot.building.order import Order
from dreamboot.building.steps import describe, steps
from dreamboot.building.target import Target
from dreamboot.host import current
from dreamboot.model import DreambootError, Plan, SourceKind, TorchBuild
from dreamboot.values import canonical, from_json

PLAN = Plan(python="3.11", torch=TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS))


@pytest.fixture
def environment(tmp_path):
    """An environment with generations 1 (complete), 2 (complete) and 10 (unfinished)."""
    layout = Layout(home=tmp_path).environment("default")
    for number in (1, 2, 10):
        generation = layout.generation(number)
        current().make_dir(generation.path)
        current().write_text(generation.plan, canonical(PLAN))
        current().write_text(generation.python(current().system), "")
        for step in ("Lock", "Verify")[: 1 if number == 10 else 2]:
            journal.record(current(), generation, step, 1.0)
    return layout


def test_numbers_are_ordered_as_numbers(environment):
    assert generations.numbers(current(), environment) == (1, 2, 10)


def test_nothing_is_in_use_without_a_pointer(environment, tmp_path):
    assert generations.current_number(current(), environment) is None
    with pytest.raises(DreambootError, match="no environment named default"):
        generations.require(current(), Layout(home=tmp_path), "default")


def test_a_pointer_to_nowhere_is_none(environment):
    current().write_text(environment.pointer, "77\n")
    assert generations.current_number(current(), environment) is None


def test_switching_is_seen(environment, tmp_path):
    generations.switch(current(), environment, 2)
    entries = {entry.number: entry for entry in generations.list_generations(current(), environment)}
    assert (entries[2].current, entries[2].complete) == (True, True)
    assert (entries[10].current, entries[10].complete) == (False, False)
    assert entries[1].torch == "2.13.0+cpu"
    built = generations.require(current(), Layout(home=tmp_path), "default")
    assert built.plan_id == PLAN.id
    assert built.path.endswith("2")


def test_a_line_that_was_cut_short_counts_for_nothing(environment):
    generation = environment.generation(10)
    with generation.journal.open("a") as file:
        file.write('{"done": "Fet')
    assert journal.done_steps(current(), generation) == {"Lock"}
    journal.record(current(), generation, "Fetch", 2.0)
    assert journal.done_steps(current(), generation) == {"Lock", "Fetch"}
    assert journal.durations(current(), generation) == {"Lock": 1.0, "Fetch": 2.0}


def test_two_builders_do_not_meet(environment):
    with only_builder(environment), pytest.raises(DreambootError) as caught, only_builder(environment):
        pass
    assert caught.value.problem.id == "build-running"


def test_a_plan_that_was_stored_and_read_is_the_same_build(environment, tmp_path):
    """A repair builds from plan.json, which is sorted; the next `build` shall see that nothing changed."""
    plan = replace(PLAN, packages={"zipp": "==3.0", "accelerate": "==1.0"})
    generation = environment.generation(2)
    stored = from_json(Plan, json.loads(canonical(plan)))
    current().write_text(generation.plan, canonical(stored))
    current().write_text(generation.requirements, "\n".join(requirement_lines(stored)) + "\n")
    current().write_text(generation.pylock, 'lock-version = "1.0"\n')
    generations.switch(current(), environment, 2)
    order = Order(plan=plan, name="default", sources=(), access=Access(), target=Target(python="3.11"))
    assert is_current(current(), Layout(home=tmp_path), order)
    assert not is_current(current(), Layout(home=tmp_path), replace(order, extra=("pytest==9",)))


def test_steps_say_why():
    names = [type(step).__name__ for step in steps(PLAN, ("torch==2.13.0+cpu",))]
    assert names[0] == "Lock"
    assert names[-2:] == ["Verify", "Switch"]
    assert all(": " in describe(step) for step in steps(PLAN, ()))
