"""What images are made of, looked at without an engine: linters, stated machines, bake, compose, pinned bases."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot import catalog, machine, planning
from dreamboot.app.image_inside import PUBLISHED
from dreamboot.model import Wish
from support.dreamboot import ROOT

DOCKER = ROOT / "docker"


def tool(name: str) -> Path:
    """A program of the test environment."""
    found = Path(sys.executable).with_name(name)
    if not found.exists():
        pytest.skip(f"{name} is not in this environment: python3 installer/bootstrap.py test")
    return found


def test_the_dockerfile_is_clean():
    done = subprocess.run([tool("hadolint"), str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_scripts_are_clean():
    done = subprocess.run(
        [tool("shellcheck"), str(DOCKER / "refresh-base")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_base_is_pinned_by_digest():
    bases = re.findall(r"^ARG BASE=(\S+)", (DOCKER / "Dockerfile").read_text(), re.M)
    assert len(bases) == 1
    assert re.fullmatch(r"debian:bookworm-slim@sha256:[0-9a-f]{64}", bases[0])


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_stated_machine_plans_its_own_tag(name):
    plan = planning.plan(machine.assume(DOCKER / "machines" / f"{name}.toml"), Wish(), catalog.load())
    assert re.sub(r"^rocm.*", "rocm", plan.torch.tag) == name
    assert plan.python == "3.11"
    assert not plan.patches


def test_every_stated_machine_has_its_target_and_is_published():
    assert {path.stem for path in (DOCKER / "machines").glob("*.toml")} == set(PUBLISHED)
    bake = (ROOT / "docker-bake.hcl").read_text()
    workflow = (ROOT / ".github" / "workflows" / "images.yml").read_text()
    for name in PUBLISHED:
        assert f'"{name}"' in bake
        assert re.search(rf"name: \[.*\b{name}\b", workflow)


def test_what_the_dockerfile_copies_travels_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    text = (DOCKER / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.M):
        for source in sources.split():
            assert f"!{source.split('/')[0]}" in ignored, source


def test_every_tag_is_in_the_how_to():
    text = (ROOT / "docs" / "how-to" / "docker.md").read_text(encoding="utf-8")
    assert {name for name in PUBLISHED if f"`dreamboot:{name}`" in text} == set(PUBLISHED)
