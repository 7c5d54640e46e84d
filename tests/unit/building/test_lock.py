"""Locks: requirements from a plan, and the files that one machine takes of a pylock.toml."""

from __future__ import annotations

import pytest

from dreamboot.building.lock import hashed_requirements, requirement_lines
from dreamboot.building.pylock import locked_files
from dreamboot.building.tags import best_wheel
from dreamboot.building.target import Target
from dreamboot.model import DreambootError, Plan, SourceKind, TorchBuild

SHA = "a" * 64


def pylock(*wheels: str, extra: str = "") -> str:
    """A pylock with one package."""
    entries = ", ".join(f'{{ url = "https://h/{name}", size = 5, hashes = {{ sha256 = "{SHA}" }} }}' for name in wheels)
    return f'lock-version = "1.0"\n[[packages]]\nname = "p"\nversion = "1"\nwheels = [{entries}]\n{extra}'


def plan(source: SourceKind, tag: str = "cpu") -> Plan:
    """A plan with one companion."""
    torch = TorchBuild(version="2.13.0", tag=tag, source=source)
    return Plan(python="3.11", torch=torch, packages={"diffusers": "==0.42.1", "torch": "==2.13.0"})


@pytest.mark.parametrize(
    ("source", "tag", "line"),
    [
        (SourceKind.FIND_LINKS, "cpu", "torch==2.13.0+cpu"),
        (SourceKind.PYTORCH_INDEX, "cu126", "torch==2.13.0+cu126"),
        (SourceKind.DEFAULT_INDEX, "cu130", "torch==2.13.0"),
        (SourceKind.DEFAULT_INDEX, "mps", "torch==2.13.0"),
    ],
)
def test_torch_is_held_by_its_local_version(source, tag, line):
    assert requirement_lines(plan(source, tag), ["pytest>=8"]) == (line, "diffusers==0.42.1", "pytest>=8")


def test_the_most_specific_wheel_is_taken():
    names = ["p-1-py3-none-any.whl", "p-1-cp311-cp311-manylinux_2_17_x86_64.whl", "p-1-cp312-cp312-win_amd64.whl"]
    supported = {tag: rank for rank, tag in enumerate(_tags("cp311-cp311-manylinux_2_17_x86_64", "py3-none-any"))}
    assert best_wheel(names, supported) == 1
    assert best_wheel(names[2:], supported) == -1
    assert best_wheel(["not a wheel"], supported) == -1


def _tags(*texts):
    from packaging.tags import parse_tag

    return [tag for text in texts for tag in parse_tag(text)]


def test_files_are_read_with_size_and_hash():
    (file,) = locked_files(pylock("p-1-py3-none-any.whl"), Target(python="3.11"))
    assert (file.filename, file.size, file.sha256) == ("p-1-py3-none-any.whl", 5, SHA)
    assert hashed_requirements([file]) == f"p==1 --hash=sha256:{SHA}\n"


def test_a_lock_for_another_platform_is_a_problem():
    with pytest.raises(DreambootError, match="no wheel"):
        locked_files(pylock("p-1-cp27-cp27m-win32.whl"), Target(python="3.11"))


def test_a_wheel_without_hash_is_refused():
    text = pylock("p-1-py3-none-any.whl").replace(f'sha256 = "{SHA}"', 'md5 = "x"')
    with pytest.raises(DreambootError, match="no sha256"):
        locked_files(text, Target(python="3.11"))
