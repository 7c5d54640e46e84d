"""Following a trainer: real processes that write events, end well, badly, without a word, or are asked to stop."""

from __future__ import annotations

import sys

import pytest

from dreamboot.host import current
from dreamboot.launching.accelerate import config_text
from dreamboot.launching.follow import EventReader, follow, parse_event
from dreamboot.model import DreambootError, EventKind

WRITE = """
import json, sys, time
out = open(sys.argv[1], "a")
def say(**event):
    out.write(json.dumps(event) + chr(10))
    out.flush()
"""
STEP = "say(event='progress', stage='train', done={n}, total=2, unit='steps', data={{'loss': 0.5}})\n"


def start(tmp_path, code):
    """A child that runs `code`, and the files that it writes."""
    events, log = tmp_path / "events.jsonl", tmp_path / "log"
    import os

    child = current().spawn([sys.executable, "-c", WRITE + code, str(events)], env=dict(os.environ), output=log)
    return child, events, log


def test_events_come_through_in_order(tmp_path):
    child, events, log = start(tmp_path, STEP.format(n=1) + "time.sleep(0.5)\n" + STEP.format(n=2))
    seen = list(follow(current(), child, events, log))
    assert [event.done for event in seen] == [1, 2]
    assert "loss 0.5000" in seen[0].message


def test_its_problem_becomes_ours(tmp_path):
    code = """
say(event="failed", stage="train", message="m", data={"problem": {"id": "x", "what": "w", "hint": "h"}})
sys.exit(1)
"""
    child, events, log = start(tmp_path, code)
    with pytest.raises(DreambootError) as caught:
        list(follow(current(), child, events, log))
    assert (caught.value.problem.id, caught.value.problem.hint) == ("x", "h")


SAYS_FAILED = "say(event='failed', stage='train', data={'problem': {'id': 'x', 'what': 'w'}})\n"


def test_a_problem_that_ends_with_0_so_that_no_launcher_restarts_it_is_no_success(tmp_path):
    child, events, log = start(tmp_path, SAYS_FAILED)
    with pytest.raises(DreambootError) as caught:
        list(follow(current(), child, events, log))
    assert caught.value.problem.id == "x"


def test_a_problem_after_which_restarted_processes_reached_the_end_is_past(tmp_path):
    child, events, log = start(tmp_path, SAYS_FAILED + STEP.format(n=2))
    assert [event.done for event in follow(current(), child, events, log)] == [None, 2]


@pytest.mark.parametrize(
    ("code", "words"),
    [("print('last words'); sys.exit(3)", "last words"), ("import os; os.kill(os.getpid(), 9)", "memory")],
)
def test_a_death_without_a_word_is_told_with_its_last_words(tmp_path, code, words):
    child, events, log = start(tmp_path, code)
    with pytest.raises(DreambootError) as caught:
        list(follow(current(), child, events, log))
    assert caught.value.problem.id == "trainer-died"
    assert words in caught.value.problem.cause


def test_a_trainer_that_was_interrupted_interrupts_us(tmp_path):
    child, events, log = start(tmp_path, "sys.exit(130)")
    with pytest.raises(KeyboardInterrupt):
        list(follow(current(), child, events, log))


def test_an_interrupt_that_a_launcher_told_as_another_code_interrupts_us(tmp_path):
    child, events, log = start(tmp_path, "say(event='line', stage='stop', message='Interrupted'); sys.exit(1)")
    with pytest.raises(KeyboardInterrupt):
        list(follow(current(), child, events, log))


def test_ctrl_c_lets_it_save(tmp_path):
    saved = tmp_path / "saved"
    code = f"""
say(event="started", stage="train")
sys.stdin.read()
open({str(saved)!r}, "w").close()
say(event="line", stage="save")
"""
    child, events, log = start(tmp_path, code)
    following = follow(current(), child, events, log)
    assert next(following).kind is EventKind.STARTED
    assert following.throw(KeyboardInterrupt).stage == "stop"
    with pytest.raises(KeyboardInterrupt):
        list(following)
    assert saved.exists()
    assert child.poll() == 0


def test_only_whole_new_lines_are_read(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "line", "stage": "old"}\n')
    reader = EventReader(path)
    with path.open("a") as file:
        file.write('{"event": "line", "stage": "new"}\n{"event": "line", "st')
    assert [event.stage for event in reader.new()] == ["new"]
    with path.open("a") as file:
        file.write('age": "rest"}\n')
    assert [event.stage for event in reader.new()] == ["rest"]


@pytest.mark.parametrize("line", ["", "no json", "[]", '{"event": "unknown"}', '{"stage": "x"}', "null"])
def test_what_is_no_event_is_none(line):
    assert parse_event(line) is None


def test_accelerate_reads_what_we_write():
    text = config_text({"num_processes": 1, "use_cpu": True, "main_training_function": "it's", "rdzv": None})
    assert text == "main_training_function: 'it''s'\nnum_processes: 1\nrdzv: null\nuse_cpu: true\n"


def test_ctrl_c_while_an_event_is_drawn_lets_it_save_too(tmp_path):
    """Then the interrupt is raised in the caller, and all the generator sees is that it is closed."""
    saved = tmp_path / "saved"
    code = f"""
say(event="started", stage="train")
sys.stdin.read()
time.sleep(0.5)
open({str(saved)!r}, "w").close()
"""
    child, events, log = start(tmp_path, code)
    following = follow(current(), child, events, log)
    assert next(following).kind is EventKind.STARTED
    following.close()
    assert saved.exists()
    assert child.poll() == 0


def test_samples_are_a_line_and_no_bar():
    """They are counted in steps of the training: a bar of them would stand still beside that of the steps."""
    line = '{"event": "progress", "stage": "sample", "done": 4, "total": 60, "data": {"path": "a.png"}}'
    event = parse_event(line)
    assert (event.kind, event.message, event.data["important"]) == (EventKind.LINE, "samples: a.png", True)
