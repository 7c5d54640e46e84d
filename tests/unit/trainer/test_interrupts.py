"""What Ctrl-C does to a trainer that a launcher started: the first is noted, the second ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot_trainer.interrupts import STOP_ON_EOF, Interrupts

ROOT = Path(__file__).resolve().parents[3]
LISTENS = """
import time
from dreamboot_trainer.interrupts import Interrupts
interrupts = Interrupts()
with interrupts.listening():
    print("listening", flush=True)
    try:
        for word in ("requested", "goes on", "never"):
            # No signal.pause(): one that comes just before it would be waited for for ever.
            while not interrupts.requested:
                time.sleep(0.01)
            interrupts.requested = False
            print(word, flush=True)
    except KeyboardInterrupt:
        print("ended", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to one process is POSIX's")
def test_a_launchers_word_and_the_same_ctrl_c_are_one_request() -> None:
    """The terminal signals the whole group; the launcher may have closed our input before we see ours."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "trainer"), **{STOP_ON_EOF: "1"})
    with subprocess.Popen(
        [sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdin and child.stdout
        assert child.stdout.readline() == "listening\n"
        child.stdin.close()
        assert child.stdout.readline() == "requested\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "goes on\n", "the same Ctrl-C is no second one"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "ended\n"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX")
def test_a_closed_terminal_is_honoured_unless_nohup_ignores_it() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        ignoring = Interrupts()
        with ignoring.listening():
            signal.raise_signal(signal.SIGHUP)
        assert not ignoring.requested
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        listening = Interrupts()
        with listening.listening():
            signal.raise_signal(signal.SIGHUP)
        assert listening.requested
    finally:
        signal.signal(signal.SIGHUP, before)
