"""A report's commands can be pasted in any folder."""

from __future__ import annotations

import pytest

from dreamboot.launching.trainer import called_as


@pytest.mark.parametrize(
    ("typed", "checkout", "said"),
    [
        ("python3 installer/bootstrap.py", "/a/dreamboot", "python3 /a/dreamboot/installer/bootstrap.py"),
        ("python3 bootstrap.py --home /h", "/a/my own", 'python3 "/a/my own/installer/bootstrap.py" --home /h'),
        ('python3 "my own/bootstrap.py"', "/a/b", "python3 /a/b/installer/bootstrap.py"),
        ("dreamboot", "/a/b", "dreamboot"),
        ("python3 installer/bootstrap.py", "", "python3 installer/bootstrap.py"),
    ],
)
def test_the_way_of_starting_it_holds_everywhere(typed: str, checkout: str, said: str) -> None:
    assert called_as({"DREAMBOOT_COMMAND": typed, "DREAMBOOT_CHECKOUT": checkout}) == said


def test_an_installed_one_is_called_by_its_name() -> None:
    assert called_as({}) == "dreamboot"
