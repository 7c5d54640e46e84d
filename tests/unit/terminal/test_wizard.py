"""The wizard on a real pseudo-terminal: arrow keys, defaults, and leaving it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")
INSTALLER = Path(__file__).resolve().parents[3] / "installer"
CODE = (
    "from dreamboot.terminal.wizard import ask; from dreamboot.app.up import Subject; import json, sys\n"
    "try: s = ask(Subject()); print('ANSWER', s.photos, s.class_noun, s.model, s.is_demo)\n"
    "except KeyboardInterrupt: print('LEFT')"
)
DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"


class Conversation:
    """A process on a pseudo-terminal that is typed to as it asks."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        environment = dict(os.environ, PYTHONPATH=str(INSTALLER), TERM="xterm", COLUMNS="120", LINES="40")
        command = [sys.executable, "-c", CODE]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.seen = ""

    def expect(self, text: str, timeout: float = 20) -> None:
        until = time.monotonic() + timeout
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], 0.2)
            if ready:
                try:
                    piece = os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    break
                # The library asks the terminal where its cursor is, and waits for the answer.
                if "\x1b[6n" in piece:
                    os.write(self.master, b"\x1b[1;1R")
                self.seen += piece
            assert time.monotonic() < until, f"{text!r} not in {self.seen!r}"
        assert text in self.seen, self.seen
        self.seen = self.seen.split(text, 1)[1]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def talk():
    conversation = Conversation()
    yield conversation
    conversation.close()


def test_enter_takes_the_demo(talk):
    talk.expect("What should the model learn?")
    talk.type(ENTER)
    talk.expect("ANSWER None")
    talk.expect("True")


def test_own_photos_take_three_more_questions(talk, tmp_path):
    folder = tmp_path / "my_dog"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"")
    talk.expect("What should the model learn?")
    talk.type(DOWN + ENTER)
    talk.expect("Folder with")
    talk.type(str(folder) + ENTER)
    talk.expect("What is it?")
    talk.type(ENTER)
    talk.expect("Base model")
    talk.type(ENTER)
    talk.expect(f"ANSWER {folder} dog stable-diffusion-v1-5/stable-diffusion-v1-5 False")


def test_ctrl_c_leaves(talk):
    talk.expect("What should the model learn?")
    talk.type(CTRL_C)
    talk.expect("LEFT")
