"""A trainer that dies without a word: its log names the cause, or the Problem stays as it was."""

from __future__ import annotations

from dreamboot.app.train import named
from dreamboot.model import Problem

DIED = Problem(id="trainer-died", what="The trainer ended without saying why.", cause="c", hint="h")
OUT_OF_MEMORY = b"""Traceback (most recent call last):
  File "loop.py", line 3, in step
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB
"""


def test_the_log_names_the_cause():
    problem = named(DIED, OUT_OF_MEMORY)
    assert problem.id != DIED.id
    assert "memory" in problem.what.lower() + problem.cause.lower()
    assert problem.hint


def test_what_nobody_knows_stays_as_it_was():
    assert named(DIED, b"something that no table holds") == DIED
