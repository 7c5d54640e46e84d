"""Every refusal's hint is carried out as a person would, and a plan comes out of it."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Callable, List, Optional, Tuple

import pytest

from dreamboot import catalog, planning
from dreamboot.model import Driver, Gpu, Machine, PackageSource, Plan, Python, Refusal, SourceKind, Vendor, Wish
from machines import Case, cases

Asked = Tuple[Machine, Wish]
Step = Callable[[Machine, Wish, "re.Match[str]"], Asked]


def new_driver(machine: Machine, wish: Wish, found: re.Match[str]) -> Asked:
    others = tuple(driver for driver in machine.drivers if driver.vendor is not Vendor.NVIDIA)
    return replace(machine, drivers=(*others, Driver(vendor=Vendor.NVIDIA, version=found.group(1)))), wish


def without_pin(machine: Machine, wish: Wish, found: re.Match[str]) -> Asked:
    left = tuple(pin for pin in wish.pins if pin.replace(" ", "") != found.group(1).replace(" ", ""))
    assert len(left) < len(wish.pins), f"{found.group(0)}: {wish.pins}"
    return machine, replace(wish, pins=left)


def other_pin(machine: Machine, wish: Wish, found: re.Match[str]) -> Asked:
    name = re.split(r"[^\w-]", found.group(1))[0]
    kept = [pin for pin in wish.pins if re.split(r"[^\w-]", pin)[0].lower() not in (name.lower(), f"{name[:-1]}")]
    return machine, replace(wish, pins=(*kept, found.group(1)))


def reachable(machine: Machine, wish: Wish, _: re.Match[str]) -> Asked:
    answer = tuple(replace(source, reachable=True) for source in machine.sources)
    return replace(machine, sources=answer, indexes=replace(machine.indexes, no_index=False)), wish


def without_constraint(machine: Machine, wish: Wish, found: re.Match[str]) -> Asked:
    left = tuple(line for line in machine.indexes.constraints if line.replace(" ", "") != found.group(1))
    assert len(left) < len(machine.indexes.constraints), found.group(0)
    return replace(machine, indexes=replace(machine.indexes, constraints=left)), wish


def another_python(machine: Machine, wish: Wish, found: re.Match[str]) -> Asked:
    version = found.group(1)
    return replace(machine, pythons=(*machine.pythons, Python(path=f"/new/{version}", version=f"{version}.1"))), wish


def folder(machine: Machine, wish: Wish, _: re.Match[str]) -> Asked:
    name = "torch-2.14.1+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    source = PackageSource(kind=SourceKind.FIND_LINKS, url="/new", reachable=True, torch_wheels=(name,))
    python = Python(path="/new/3.12", version="3.12.1")
    return replace(machine, sources=(*machine.sources, source), pythons=(*machine.pythons, python)), wish


def told_capability(machine: Machine, wish: Wish, _: re.Match[str]) -> Asked:
    def told(gpu: Gpu) -> Gpu:
        return replace(gpu, compute_capability=gpu.compute_capability or "8.6")

    return replace(machine, gpus=tuple(map(told, machine.gpus))), wish


def told_gfx(machine: Machine, wish: Wish, _: re.Match[str]) -> Asked:
    return replace(machine, gpus=tuple(replace(gpu, gfx=gpu.gfx or "gfx1100") for gpu in machine.gpus)), wish


# What a hint says → how it is carried out; every one that is found in a line is.
STEPS: Tuple[Tuple[str, Step], ...] = (
    (r"[Uu]pdate the NVIDIA driver to ([\d.]+\d)", new_driver),
    (r"[Ll]eave --pin (.+?) out", without_pin),
    (r"[Ll]eave --profile \S+ out", lambda machine, wish, _: (machine, replace(wish, profile=""))),
    (r"--profile (seed-\d+)", lambda machine, wish, found: (machine, replace(wish, profile=found.group(1)))),
    (r"[Ll]eave --offline out", lambda machine, wish, _: (machine, replace(wish, offline=False))),
    (r"[Uu]pdate macOS to ([\d.]+\d)", lambda m, wish, found: (replace(m, os_version=found.group(1)), wish)),
    (r"newer distribution \(glibc ([\d.]+\d)", lambda m, w, found: (replace(m, libc_version=found.group(1)), w)),
    (r"[Uu]se a glibc system", lambda m, wish, _: (replace(m, libc="glibc", libc_version="2.36"), wish)),
    (r"[Gg]o to Windows 11", lambda m, wish, _: (replace(m, os_version="10.0.22631"), wish)),
    (r"[Ii]nstall Python (3\.\d+)", another_python),
    (r"[Mm]ake .+ reachable", reachable),
    (r"[Cc]hange the constraint (\S+) in", without_constraint),
    (r"[Pp]ut a torch wheel for Python 3.12 there", folder),
    (r"compute_cap ", told_capability),
    (r"[Ss]tate gfx", told_gfx),
    (r"Use Linux with this card", lambda m, wish, _: (replace(m, os="linux", os_version=""), wish)),
    (r"dreamboot detect$", lambda machine, wish, _: (machine, replace(wish, gpus=()))),
    (r'^(?!dreamboot|Pin)[^;]*?--pin "?([^"\s]+(?:==|>=)[^"\s]+)"', other_pin),
)  # fmt: skip
# Nothing that a person can type mends these: they name another card, another machine, other builds or other pins.
NO_WAY = (
    "Another card is needed",
    "Use another machine",
    "Use a 64-bit",
    "Follow NVIDIA's",
    "Pin ",
    "torch's own attention",
)
REFUSED = [
    (case, decision)
    for case in cases()
    for decision in [planning.plan(case.machine, case.wish, catalog.load())]
    if isinstance(decision, Refusal)
]


def lines(hint: str) -> List[str]:
    return [re.sub(r"^Or: ", "", part.strip()) for part in re.split(r"\n|; (?=or |dreamboot )", hint)]


def command(text: str, case: Case) -> Optional[Asked]:
    """`dreamboot plan …` as the words say; other wishes of the person stay."""
    found = re.search(r"dreamboot plan( .*?)(?:   |$)", text)
    if found is None:
        return None
    words = shlex.split(found.group(1))
    wish = case.wish
    if "--device" in words or "--profile" in words:
        wish = replace(wish, pins=(), gpus=())
    for flag, text in zip(words[::2], words[1::2]):
        if flag == "--pin":
            name = text.split("=")[0]
            wish = replace(wish, pins=(*(pin for pin in wish.pins if not pin.startswith(name)), text))
        elif flag == "--device":
            wish = replace(wish, device=text)
        elif flag == "--profile":
            wish = replace(wish, profile=text)
        else:
            return None
    return case.machine, wish


def carried_out(text: str, case: Case) -> Optional[Asked]:
    """The machine and the wish after one line of a hint; None when it says nothing that can be done here."""
    asked = command(text, case)
    if asked is not None:
        return asked
    machine, wish, done = case.machine, case.wish, False
    for pattern, step in STEPS:
        found = re.search(pattern, text)
        if found is not None:
            machine, wish = step(machine, wish, found)
            done = True
    return (machine, wish) if done else None


def test_refusals_are_many() -> None:
    assert len(REFUSED) > 60


@pytest.mark.parametrize(("case", "refusal"), REFUSED, ids=[case.name for case, _ in REFUSED])
def test_what_the_hint_says_leads_to_a_plan(case: Case, refusal: Refusal) -> None:
    ways = [(text, carried_out(text, case)) for text in lines(refusal.problem.hint)]
    possible = [(text, asked) for text, asked in ways if asked is not None]
    assert possible or any(word in refusal.problem.hint for word in NO_WAY), refusal.problem.hint
    for text, (machine, wish) in possible:
        decision = planning.plan(machine, wish, catalog.load())
        assert isinstance(decision, Plan), f"{text} -> {decision.problem.what} {decision.problem.cause}"
        promised = re.search(r"that gives torch (\S+) \(([\w-]+)\)", text)
        if promised is not None:
            assert (f"{decision.torch.version}+{decision.torch.tag}", decision.torch.source.value) == promised.groups()
        offered = re.search(r"   \(.*?(\d+\.\d+\.\d+) with (\S+) from ([\w-]+)\)", text)
        if offered is not None:
            torch = decision.torch
            assert (torch.version, torch.tag, torch.source.value) == offered.groups()
