"""Test: the project's own tests, in an environment that this machine's own plan builds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple, Union

from dreamboot.app.build import decide
from dreamboot.app.context import Context
from dreamboot.app.environment import order_for
from dreamboot.building import generations
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from dreamboot.building.uv import clean_environment
from dreamboot.host.base import ProgramFailed
from dreamboot.machine import index
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Plan, Problem, Report, Wish
from dreamboot.values import parse_toml

NAME = "test"


def test(context: Context, arguments: Sequence[str], *, fast: bool) -> Iterator[Union[Event, Report]]:
    """Build the environment `test`; run linters, type checker and, last, pytest in it."""
    checkout = checkout_folder(context)
    _, plan = yield from decide(context, Wish())
    layout = Layout(home=context.home)
    yield from build(context.host, layout, order_for(context, plan, NAME, test_requirements(context, checkout, plan)))
    environment = generations.require(context.host, layout, NAME)
    variables = clean_environment(context.host, training=True)
    variables.update({name: text for name, text in context.host.environ.items() if name.startswith(KEPT)})
    certificate = index.raw(context.host).certificate
    if certificate:
        # uv, which some tests start themselves, does not read pip's settings.
        variables["SSL_CERT_FILE"] = certificate
    variables["DREAMBOOT_TEST_HOME"] = str(context.home)
    # Results of checkers must not land in a checkout that may be read-only.
    variables["RUFF_CACHE_DIR"] = str(context.home / "cache" / "ruff")
    variables["MYPY_CACHE_DIR"] = str(context.home / "cache" / "mypy")
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    # Threads of one worker that wait for each other keep the cores from the other worker: some runs took six times as
    # long with two threads each.
    variables["OMP_NUM_THREADS"] = "1"
    failed: List[str] = []
    for command in commands(environment.python, arguments, fast=fast):
        yield Event(kind=EventKind.STARTED, stage="test", message=" ".join(command[1:]))
        try:
            for line in context.host.stream(command, env=variables, cwd=checkout):
                yield Event(kind=EventKind.LINE, stage="test", message=line, data={"raw": True})
        except ProgramFailed:
            failed.append(" ".join(command[2:4]))
    if failed:
        raise DreambootError(
            Problem(
                id="tests-failed",
                what="Not everything passed: " + "; ".join(failed),
                cause="The lines above say which and why.",
                hint="python3 installer/bootstrap.py test -k NAME   (runs tests whose name holds NAME)",
            )
        )
    yield Report(command="test", data={"schema": 1, "passed": True}, exit_code=ExitCode.DONE)


# What tests may see of the caller's variables beyond a clean environment: package sources, and the machine's quirks.
KEPT = ("PIP_", "CI", "OPENBLAS_", "NODE_", "DREAMBOOT_")


def commands(python: str, arguments: Sequence[str], *, fast: bool) -> Tuple[Tuple[str, ...], ...]:
    """What is run, in order; pytest last. Arguments narrow pytest, and then only pytest runs."""
    pytest = (
        python,
        "-m",
        "pytest",
        *(("-m", "not real and not containers and not windows") if fast else ()),
        *arguments,
    )
    if arguments:
        return (pytest,)
    # Two workers: most tests wait for programs that they started. A file stays on one, with what it built. The order is
    # that of tests/conftest.py, long files first, so that both workers end at about the same time.
    return (
        (python, "-m", "ruff", "check", "."),
        (python, "-m", "ruff", "format", "--check", "."),
        (python, "-m", "mypy"),
        (*pytest, "-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "25"),
    )


def checkout_folder(context: Context) -> Path:
    """The checkout; raises `DreambootError` when dreamboot was installed from a wheel."""
    named = context.host.environ.get("DREAMBOOT_CHECKOUT") or os.fspath(Path(__file__).resolve().parents[3])
    checkout = Path(named)
    if not context.host.is_dir(checkout / "tests"):
        raise DreambootError(
            Problem(
                id="no-checkout",
                what="The tests are part of a checkout; this dreamboot was installed without them.",
                cause=f"There is no folder {checkout / 'tests'}.",
                hint="git clone the project, then: python3 installer/bootstrap.py test",
            )
        )
    return checkout


def test_requirements(context: Context, checkout: Path, plan: Plan) -> Tuple[str, ...]:
    """The tool's own dependencies and its `test` group, less what the plan holds already."""
    project = parse_toml(context.host.read_text(checkout / "pyproject.toml") or "")
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    planned = {"torch", *(name.lower() for name in plan.packages)}
    return tuple(text for text in wanted if re.split(r"[^A-Za-z0-9_-]", text)[0].lower() not in planned)
