"""What is pasted in public names nobody, and gives no token away."""

from __future__ import annotations

import pytest

from dreamboot.doctor.redact import redacted, redacted_data

ENVIRON = {"HOME": "/home/maxine", "USER": "maxine", "HOSTNAME": "big-box"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/maxine/sd/venv/bin/python", "~/sd/venv/bin/python"),
        ("/home/other/x", "~/x"),
        (r"C:\Users\Maxine\kohya_ss\venv", r"~\kohya_ss\venv"),
        ("owned by maxine on big-box", "owned by <user> on <host>"),
        ("hf_abcdefghijklmnop", "***"),
        ("https://me:secret@proxy.example/simple", "https://***@proxy.example/simple"),
        ("token: abcdef123456", "token: ***"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("torch 2.6.0+cu124 from /opt/venv", "torch 2.6.0+cu124 from /opt/venv"),
    ],
)
def test_what_is_shown(text, shown):
    assert redacted(text, ENVIRON, "big-box") == shown


def test_every_string_of_a_document():
    data = {"a": ["/home/maxine/x", 3, None], "b": {"c": "hf_abcdefghijklmnop"}}
    assert redacted_data(data, ENVIRON) == {"a": ["~/x", 3, None], "b": {"c": "***"}}
