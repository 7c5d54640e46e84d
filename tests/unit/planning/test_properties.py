"""What must hold on every machine, also on those that nobody thought of."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Dict, Tuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dreamboot import catalog, planning
from dreamboot.model import (
    Driver,
    Gpu,
    Machine,
    PackageIndexes,
    PackageSource,
    Plan,
    Python,
    SourceKind,
    Vendor,
    Wish,
)  # fmt: skip
from dreamboot.values import from_json, to_json

from .oracle import rows, version, violations

CAPABILITY: Dict[str, str] = {row["name"]: row["compute_capability"] for row in rows("gpus")}
DRIVERS = (
    "440.33", "450.80.02", "470.82.01", "515.43", "520.61.05", "525.60.13", "527.41", "528.33", "535.104.05",
    "550.54.15", "560.35.03", "570.124.06", "572.61", "575.57.08", "580.65.06", "581.29", "590.44",
    "595.58.03", "610.43",
)  # fmt: skip
RELEASES = [row["torch"] for row in rows("torch")]

nvidia = st.builds(
    lambda name, total, free, unlisted: Gpu(
        vendor=Vendor.NVIDIA, name="Graphics Device" if unlisted else name, compute_capability=CAPABILITY[name],
        vram_total_mib=total, vram_free_mib=free,
    ),
    st.sampled_from(sorted(CAPABILITY)), st.one_of(st.none(), st.integers(1000, 200000)),
    st.one_of(st.none(), st.integers(0, 200000)), st.booleans(),
)  # fmt: skip
amd = st.builds(
    lambda row, integrated: Gpu(
        vendor=Vendor.AMD, name=row["products"][0], gfx=row["gfx"], vram_total_mib=16000, integrated=integrated
    ),
    st.sampled_from(rows("amd")), st.booleans(),
)  # fmt: skip
intel = st.sampled_from(("Intel Arc A770", "Intel UHD Graphics 630", "Intel Arc B580", "Intel Iris Xe")).map(
    lambda name: Gpu(vendor=Vendor.INTEL, name=name)
)
python = st.builds(
    lambda minor, bits, threads, kind: Python(
        path=f"/py/{minor}-{bits}-{threads}-{kind}", version=f"3.{minor}.1", bits=bits, free_threaded=threads, kind=kind
    ),
    st.integers(7, 15), st.sampled_from((64, 64, 64, 32)), st.sampled_from((False, False, True)),
    st.sampled_from(("system", "pyenv", "conda", "venv", "store")),
)  # fmt: skip
sources = st.one_of(
    st.just(()),
    st.tuples(st.booleans(), st.booleans(), st.booleans()).map(
        lambda up: (
            PackageSource(kind=SourceKind.PYTORCH_INDEX, reachable=up[0]),
            PackageSource(
                kind=SourceKind.FIND_LINKS, url="/wheels", reachable=up[1],
                torch_wheels=("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
                              "torch-2.9.1+cu126-cp312-cp312-win_amd64.whl", "torch-nonsense.whl", "numpy-2.0-py3.whl"),
            ),
            PackageSource(kind=SourceKind.DEFAULT_INDEX, reachable=up[2]),
        )
    ),
)  # fmt: skip


@st.composite
def machines(draw: Any) -> Machine:
    os, arch = draw(st.sampled_from((
        ("linux", "x86_64"), ("linux", "x86_64"), ("windows", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64"),
        ("macos", "x86_64"), ("windows", "aarch64"),
    )))  # fmt: skip
    if os == "macos":
        cards: Tuple[Gpu, ...] = (Gpu(vendor=Vendor.APPLE, name="Apple M2", integrated=True),) * draw(st.integers(0, 1))
    else:
        cards = tuple(draw(st.lists(st.one_of(nvidia, nvidia, nvidia, amd, intel), max_size=3)))
    cards = tuple(replace(gpu, index=number) for number, gpu in enumerate(cards))
    drivers = ()
    if any(gpu.vendor is Vendor.NVIDIA for gpu in cards) and draw(st.integers(0, 9)):
        drivers = (Driver(vendor=Vendor.NVIDIA, version=draw(st.sampled_from(DRIVERS))),)
    constraint = draw(
        st.sampled_from(((), (), ("torch<=2.14.1",), ("torch>=2.8,<2.12", "numpy<2.3"), ("diffusers<0.41",)))
    )
    return Machine(
        os=os, arch=arch, gpus=cards, drivers=drivers,
        libc=draw(st.sampled_from(("glibc", "glibc", "glibc", "musl"))) if os == "linux" else "",
        libc_version=draw(st.sampled_from(("", "2.17", "2.28", "2.36"))) if os == "linux" else "",
        os_version=draw(st.sampled_from(("", "12.6", "14.5"))) if os == "macos" else "",
        wsl=draw(st.sampled_from((0, 0, 0, 2))) if os == "linux" else 0,
        pythons=tuple(draw(st.lists(python, max_size=4, unique_by=lambda item: item.path))),
        sources=draw(sources), indexes=PackageIndexes(constraints=constraint),
        ram_total_mib=draw(st.sampled_from((None, 4000, 64000))),
    )  # fmt: skip


wishes = st.builds(
    Wish,
    family=st.sampled_from(("sd1", "sdxl", "sd3")),
    method=st.sampled_from(("full", "lora")),
    device=st.sampled_from(("", "", "", "cpu", "cuda")),
    pins=st.one_of(st.just(()), st.sampled_from(RELEASES).map(lambda torch: (f"torch=={torch}",))),
    profile=st.sampled_from(("", "", "", "", "seed-2022")),
    offline=st.sampled_from((False, False, False, True)),
    torchvision=st.booleans(),
)


def capabilities(machine: Machine) -> Dict[int, str]:
    return {gpu.index: gpu.compute_capability for gpu in machine.gpus}


@settings(max_examples=250, deadline=None)
@given(machine=machines(), wish=wishes)
def test_no_accepted_plan_breaks_a_rule_and_every_refusal_has_a_hint(machine: Machine, wish: Wish) -> None:
    decision = planning.plan(machine, wish, catalog.load())
    if isinstance(decision, Plan):
        assert not list(violations(machine, wish, decision, capabilities(machine)))
        for pin in wish.pins:
            assert decision.torch.version == pin.partition("==")[2]
        if "torch<=2.14.1" in machine.indexes.constraints:
            assert version(decision.torch.version) <= (2, 14, 1)
        assert from_json(Plan, to_json(decision)) == decision
    else:
        assert decision.problem.hint
        assert decision.problem.what
        assert re.fullmatch(r"[a-z0-9-]+", decision.problem.id)


@settings(max_examples=150, deadline=None)
@given(machine=machines(), wish=wishes, pair=st.tuples(st.sampled_from(DRIVERS), st.sampled_from(DRIVERS)))
def test_a_newer_driver_never_makes_a_plan_worse(machine: Machine, wish: Wish, pair: Tuple[str, str]) -> None:
    older, newer = sorted(pair, key=version)
    before, after = (
        planning.plan(replace(machine, drivers=(Driver(vendor=Vendor.NVIDIA, version=text),)), wish, catalog.load())
        for text in (older, newer)
    )
    if isinstance(before, Plan):
        assert isinstance(after, Plan)
        assert len(after.gpus) >= len(before.gpus)
        if after.torch.source is before.torch.source and after.gpus == before.gpus:
            assert version(after.torch.version) >= version(before.torch.version)


@settings(max_examples=60, deadline=None)
@given(machine=machines(), wish=wishes)
def test_the_same_question_has_the_same_answer(machine: Machine, wish: Wish) -> None:
    first, second = (planning.plan(machine, wish, catalog.load()) for _ in range(2))
    assert first == second


@settings(max_examples=60, deadline=None)
@given(machine=machines(), wish=wishes)
def test_one_more_unusable_display_adapter_changes_nothing(machine: Machine, wish: Wish) -> None:
    assume(machine.gpus and machine.os != "macos")
    extra = Gpu(vendor=Vendor.INTEL, name="Intel UHD Graphics 770", index=9, integrated=True, usable=False)
    before = planning.plan(machine, wish, catalog.load())
    after = planning.plan(replace(machine, gpus=(*machine.gpus, extra)), wish, catalog.load())
    assert isinstance(before, Plan) is isinstance(after, Plan)
    if isinstance(before, Plan) and isinstance(after, Plan):
        assert (before.torch, before.gpus, before.python) == (after.torch, after.gpus, after.python)
