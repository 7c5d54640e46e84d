"""What a command of the trainer says at its end becomes the report, or a Problem in a person's words."""

from __future__ import annotations

from dreamboot.app.ask_trainer import _answer, _problem
from dreamboot.app.image_run import _failed
from dreamboot.app.trainer_answers import problem_of


def test_the_answer_is_found_between_what_libraries_print():
    lines = ["Failed to load a kernel", '{"schema": 1, "path": "a.png"}', "[1, 2]", "a warning"]
    assert _answer(lines) == {"schema": 1, "path": "a.png"}
    assert _answer(["nothing", ""]) == {}


def test_the_trainers_own_problem_is_told():
    told = {"problem": {"id": "model-missing", "what": "w", "cause": "c", "hint": "h"}}
    assert _problem("sample", told, ["noise"]).id == "model-missing"


def test_wrong_usage_is_told_without_the_list_of_all_options():
    said = ["usage: dreamboot convert [--dtype {fp16}]", "dreamboot convert: error: argument --dtype: invalid choice"]
    assert _problem("convert", {}, said).cause == "argument --dtype: invalid choice"


def test_the_cause_of_a_death_is_looked_up():
    out = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB"
    )
    found = _problem("sample", {}, ["Traceback (most recent call last):", '  File "loop.py", line 3, in step', out])
    assert found.id != "sample-failed"
    assert "memory" in (found.what + found.cause).lower()
    assert _problem("sample", {}, ["what no table holds"]).id == "sample-failed"


def of_call(number: int, kind: str = "config-unknown-key") -> dict[str, str]:
    return {"id": kind, "what": f"what {number}", "cause": f"cause {number}", "hint": f"hint {number}"}


def test_all_faults_of_a_call_are_told_with_what_to_do():
    problems = [of_call(1), of_call(2), of_call(3, "config-wrong-value"), of_call(4), of_call(5)]
    told = problem_of({"problems": problems})
    assert told.what == "what 1"
    assert told.cause == "cause 1 (and 4 more)"
    assert told.hint.splitlines() == ["hint 1", "hint 2", "what 3 cause 3 hint 3", "hint 4", "hint 5"]


def test_of_other_faults_the_first_is_told_and_the_next_are_named():
    told = problem_of({"problems": [of_call(1), *(of_call(n, "photo-damaged") for n in (2, 3, 4, 5))]})
    assert told.hint == "hint 1"
    assert told.cause == "cause 1 (and 4 more: what 2; what 3; what 4)"


def test_advice_of_several_lines_comes_out_of_a_container_whole():
    said = ["Problem: There is no flag --lr.", "Why:     Expected: another.", "Next:    Write a.", "         Write b."]
    told = _failed(["noise", *said, "noise: more", "         no part of it"], 1)
    assert (told.what, told.cause) == ("There is no flag --lr.", "Expected: another.")
    assert told.hint == "Write a.\nWrite b."
