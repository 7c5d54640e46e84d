"""All probes together: nothing that one of them does costs the others, and the whole is quick."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, Callable

import pytest

from dreamboot.host import Completed, current
from dreamboot.machine import assume, detect
from dreamboot.machine import survey as survey_module
from dreamboot.machine.asking import Asking, Shared
from dreamboot.machine.stated import state_machine
from dreamboot.machine.survey import join, probe_names, survey
from dreamboot.model import Fault, Machine
from dreamboot.values import canonical, from_json, to_json
from support.fake_host import FakeHost

HOME = Path("/home/me/dreamboot")


@pytest.fixture
def add_probe(monkeypatch: pytest.MonkeyPatch):
    """Puts one more probe beside the real ones, the way a new file does."""

    def add(name: str, probe: Callable[[Asking], Any]) -> str:
        module = types.ModuleType(name)
        module.probe = probe  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"dreamboot.machine.probes.{name}", module)
        return name

    return add


def test_one_probe_a_file() -> None:
    expected = {
        "amd",
        "apple",
        "container",
        "cpu",
        "disk",
        "engines",
        "environment",
        "index",
        "intel",
        "memory",
        "nvidia",
        "python",
        "system",
    }
    assert set(probe_names()) == expected


def test_every_field_of_a_machine_is_filled_by_some_probe() -> None:
    filled = {"os", "schema", "probes"}
    folder = Path(survey_module.__file__).parent / "probes"
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    filled |= {field.name for field in dataclasses.fields(Machine) if f'"{field.name}"' in text}
    assert filled == {field.name for field in dataclasses.fields(Machine)}


@pytest.mark.parametrize("system", ["linux", "windows", "macos"])
def test_an_empty_machine_gives_a_machine(system: str) -> None:
    machine = detect(FakeHost(system=system, environ={}), HOME, network=False)
    assert machine.os == system
    assert [probe.failed for probe in machine.probes if probe.failed] == []
    assert from_json(Machine, json.loads(json.dumps(to_json(machine)))) == machine


def test_a_crashing_probe_is_a_fact(add_probe) -> None:
    def crash(asking: Asking) -> Any:
        asking.note("something")
        raise KeyError("gone")

    machine = survey(FakeHost(), HOME, names=["memory", add_probe("crashing", crash), "disk"], network=False)
    assert [(probe.probe, probe.failed) for probe in machine.probes if probe.failed] == [
        ("crashing", "KeyError: 'gone'")
    ]
    assert machine.probes[1].asked == ("something",)
    assert machine.disks


def test_a_probe_that_answers_rubbish_is_a_fact(add_probe) -> None:
    machine = survey(
        FakeHost(),
        HOME,
        names=[add_probe("rubbish", lambda asking: {"gpuss": ()}), add_probe("none", lambda asking: None)],
    )
    assert machine.probes[0].failed == "ValueError: a machine has no field gpuss"
    assert machine.probes[1].failed.startswith("TypeError")


def test_a_probe_that_hangs_is_given_up(add_probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_module, "PROBE_SECONDS", 0.3)
    forever = threading.Event()
    begun = time.monotonic()
    machine = survey(
        FakeHost(), HOME, names=[add_probe("hanging", lambda asking: forever.wait(30) or {}), "disk"], network=False
    )
    assert time.monotonic() - begun < 2
    assert machine.probes[0].failed == "no answer within 0.3 s"
    assert machine.disks
    forever.set()


def test_what_was_known_before_the_slow_part_counts(add_probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_module, "PROBE_SECONDS", 0.3)
    forever = threading.Event()

    def slow(asking: Asking) -> Any:
        asking.early = {"cpu": "known at once"}
        forever.wait(30)
        return {"cpu": "known too late"}

    machine = survey(FakeHost(), HOME, names=[add_probe("slow", slow)], network=False)
    forever.set()
    assert machine.cpu == "known at once"
    assert machine.probes[0].failed == "no answer within 0.3 s"


def test_an_index_that_holds_the_whole_probe_up_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan then takes the next source, and does not count on an index that nobody has seen answer."""
    from dreamboot import catalog, planning
    from dreamboot.machine.indexes import sources
    from dreamboot.model import Plan, SourceKind, Wish

    monkeypatch.setattr(survey_module, "PROBE_SECONDS", 1.0)
    forever = threading.Event()
    monkeypatch.setattr(sources, "ask_pages", lambda *_: forever.wait(30) or {})
    wheel = "/wheels/torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    host = FakeHost(files={wheel: "", "/home/me/.config/pip/pip.conf": "[global]\nfind-links = /wheels\n"})
    machine = survey(host, HOME, names=["index"])
    forever.set()
    assert machine.probes[0].failed
    told = {source.kind: (source.reachable, source.reason) for source in machine.sources}
    assert told[SourceKind.PYTORCH_INDEX] == (False, "no answer in time")
    assert told[SourceKind.FIND_LINKS][0] is True
    stated = dataclasses.replace(state_machine({"os": "linux", "python": ["3.12.4"]}), sources=machine.sources)
    plan = planning.plan(stated, Wish(), catalog.load())
    assert isinstance(plan, Plan)
    assert (plan.torch.source, plan.torch.local_version) == (SourceKind.FIND_LINKS, "2.13.0+cpu")
    assert any("no answer in time" in choice.reason for choice in plan.because)


def test_slow_programs_are_asked_side_by_side() -> None:
    """Every program takes half a second, one after the other they would take many."""
    host = FakeHost(
        programs={"getconf": "glibc 2.36", "nvidia-smi": "No devices were found", "podman": "4.3.1", "rocminfo": ""},
        delay=0.5,
    )
    begun = time.monotonic()
    machine = detect(host, HOME, network=False)
    assert len(host.ran) >= 5
    assert time.monotonic() - begun < 4.5
    assert machine.libc == "glibc"


def test_programs_that_never_answer_cost_the_deadline_once() -> None:
    host = FakeHost(
        programs={"getconf": "", "nvidia-smi": "", "podman": "", "docker": "", "uname": ""},
        files={"/var/run/docker.sock": "", "/lib/ld-musl-x86_64.so.1": ""},
        delay=60,
    )
    begun = time.monotonic()
    machine = detect(host, HOME, network=False)
    assert time.monotonic() - begun < 7
    assert machine.disks
    assert [probe.failed for probe in machine.probes if probe.failed] == []
    assert "nvidia-driver-hangs" in [fault.id for fault in machine.faults]


def test_facts_of_several_probes_are_joined() -> None:
    one, two = Fault(id="a", cause="x"), Fault(id="b", cause="y")
    machine = join("linux", [{"faults": (one,), "cpu": "A"}, {"faults": (two,)}], ())
    assert (machine.faults, machine.cpu) == ((one, two), "A")


def test_a_program_is_asked_in_english_and_within_what_is_left() -> None:
    seen = []

    def answer(argv, env, stdin) -> Completed:
        seen.append(env["LC_ALL"])
        return Completed(argv=tuple(argv), returncode=0)

    asking = Asking(FakeHost(programs={"x": answer}, environ={"LC_ALL": "de_DE.UTF-8"}), HOME)
    asking.run("x")
    assert seen == ["C"]
    late = Asking(FakeHost(programs={"x": "y"}), HOME, seconds=0.0)
    assert late.run("x").timed_out


def test_questions_side_by_side_keep_their_order_and_lose_only_the_bad_one() -> None:
    asking = Asking(FakeHost(), HOME)
    assert asking.together([lambda: 1, lambda: 1 / 0, lambda: 3]) == [1, None, 3]
    assert asking.together([]) == []
    assert any("ZeroDivisionError" in note for note in asking.asked)


def test_a_shared_question_is_asked_once() -> None:
    shared, asked = Shared(), []

    def question() -> int:
        time.sleep(0.05)
        asked.append(1)
        return 7

    asking = Asking(FakeHost(), HOME, shared=shared)
    assert asking.together([lambda: shared.once("x", question)] * 4) == [7] * 4
    assert asked == [1]


def test_detect_writes_nothing_but_its_cache() -> None:
    told = json.dumps([])
    host = FakeHost(programs={sys.executable: told})
    detect(host, HOME)
    assert {path for _, path in host.written} == {str(HOME / "cache" / "index-answers.json")}
    offline = FakeHost()
    detect(offline, HOME, network=False)
    assert offline.written == []


def test_what_detect_prints_can_be_assumed(tmp_path: Path) -> None:
    machine = detect(current(), tmp_path, network=False)
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(to_json(machine)), encoding="utf-8")
    assert assume(file) == machine
    assert canonical(state_machine(to_json(machine))) == canonical(machine)


def test_detect_is_quick_here(tmp_path: Path) -> None:
    """The promise is 300 ms for the whole command; here without starting Python, and with room for a busy machine."""
    detect(current(), tmp_path, network=False)
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        detect(current(), tmp_path, network=False)
        taken.append(time.perf_counter() - begun)
    # The best of five: other programs on a shared machine only ever add.
    assert min(taken) < 0.5


def test_windows_does_not_tell_the_letters_of_a_variable_apart() -> None:
    for spelt in ("SystemRoot", "SYSTEMROOT", "systemroot"):
        files = {r"D:\Win\System32\nvidia-smi.exe": ""}
        host = FakeHost(system="windows", environ={spelt: r"D:\Win", "Path": ""}, files=files)
        survey(host, HOME, names=["nvidia"])
        assert any(argv[0].endswith("nvidia-smi.exe") for argv in host.ran)
