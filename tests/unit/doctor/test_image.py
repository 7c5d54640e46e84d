"""The doctor of an image: one `docker run`, our code mounted read-only, the findings passed on."""

from __future__ import annotations

import json

import pytest

from dreamboot.app.context import Context
from dreamboot.app.doctor_image import examine_image
from dreamboot.host.base import Completed
from dreamboot.model import DreambootError, ExitCode
from support.fake_host import FakeHost

FINDING = {"id": "numpy-generation", "area": "abi", "status": "error", "evidence": "", "problem": None, "fix": []}


def context(tmp_path, answer, **host):
    stated = tmp_path / "machine.json"
    stated.write_text('{"os": "linux"}')
    fake = FakeHost(programs={"docker run": answer}, **host)
    return Context(host=fake, home=tmp_path, confirm=lambda question: False, assume=stated), fake


def test_findings_from_inside_are_the_report(tmp_path):
    asked, fake = context(tmp_path, "pulling…\n" + json.dumps({"schema": 1, "findings": [FINDING]}))
    report = examine_image(asked, "trainer:1")
    assert report.data["findings"] == [FINDING]
    assert report.data["image"] == "trainer:1"
    assert report.exit_code is ExitCode.PROBLEM
    command = " ".join(fake.ran[-1])
    assert "--network none" in command
    assert all(
        word.endswith(":ro")
        for word in fake.ran[-1]
        if "/dreamboot-doctor/" in word and ":" in word and " " not in word
    )


def test_an_engine_that_fails_is_explained(tmp_path):
    told = "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    asked, _ = context(tmp_path, Completed(argv=("docker",), returncode=125, stderr=told))
    with pytest.raises(DreambootError) as caught:
        examine_image(asked, "trainer:1")
    assert caught.value.problem.id == "dk-daemon"


def test_without_an_engine_the_way_out_is_named(tmp_path):
    stated = tmp_path / "machine.json"
    stated.write_text('{"os": "linux"}')
    asked = Context(host=FakeHost(), home=tmp_path, confirm=lambda question: False, assume=stated)
    with pytest.raises(DreambootError) as caught:
        examine_image(asked, "trainer:1")
    assert caught.value.problem.id == "no-container-engine"
