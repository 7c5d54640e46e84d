"""`dreamboot test`: what pytest is given."""

from __future__ import annotations

import pytest

from dreamboot import cli
from dreamboot.terminal.commands import test as command


@pytest.mark.parametrize(
    ("typed", "given", "fast"),
    [
        ("-n 0 -k name tests/unit/test_values.py", "-n 0 -k name tests/unit/test_values.py", False),
        ("tests/unit -k name --fast", "tests/unit -k name", True),
        ("--fast -x", "-x", True),
        ("", "", False),
    ],
)
def test_words_keep_their_order(typed, given, fast, tmp_path, monkeypatch):
    seen = {}

    def note(context, arguments, *, fast):
        seen.update(arguments=list(arguments), fast=fast)
        return iter(())

    monkeypatch.setattr("dreamboot.app.test.test", note)
    assert command.TAKES_UNKNOWN_OPTIONS
    cli.main(["test", *typed.split(), "--home", str(tmp_path)])
    assert seen == {"arguments": given.split(), "fast": fast}
