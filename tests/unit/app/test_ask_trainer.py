"""What a command of the trainer says at its end becomes the report, or a Problem in a person's words."""

from __future__ import annotations

from dreamboot.app.ask_trainer import _answer, _problem


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
