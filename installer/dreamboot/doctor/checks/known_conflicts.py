"""No two installed versions are known not to work together."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from dreamboot import catalog
from dreamboot.doctor.check import Case, Check, Outcome, error, install, ok
from dreamboot.doctor.facts.packages import normalised
from dreamboot.doctor.facts.values import Facts, Package
from dreamboot.doctor.versions import within
from dreamboot.model import Status

_SIDE = re.compile(
    r"^([A-Za-z][\w-]*)\s*((?:[<>=!]=?\s*[\d.x]+)(?:\s*,\s*[<>=!]=?\s*[\d.]+)*)?\s*([\d.]+(?:-[\d.]+)?)?\s*(?:\(.*\))?$"
)
# Asked by checks of their own.
ELSEWHERE = ("torch", "xformers", "numpy")
# Beyond the catalog: what people meet, and metadata does not tell.
PAIRS = (
    (
        "peft",
        ">=0.15",
        "accelerate",
        "<1.3",
        "accelerate>=1.3",
        "cannot import name 'clear_device_cache' from 'accelerate.utils.memory'",
    ),
    (
        "peft",
        ">=0.13",
        "transformers",
        "<4.43",
        "transformers>=4.43",
        "cannot import name 'EncoderDecoderCache' from 'transformers'",
    ),
    ("tensorboard", "<2.9", "protobuf", ">=4", "tensorboard>=2.9", "Descriptors cannot be created directly"),
    ("tensorboard", "<2.21", "setuptools", ">=82", "setuptools<82", "No module named 'pkg_resources'"),
    (
        "basicsr",
        "<2",
        "torchvision",
        ">=0.17",
        "torchvision<0.17",
        "No module named 'torchvision.transforms.functional_tensor'",
    ),
)


def side(text: str) -> Optional[Tuple[str, str]]:
    """ "diffusers 0.35.2-0.36.0" → ("diffusers", ">=0.35.2,<=0.36.0"); None for what is not a package and a range."""
    found = _SIDE.match(text.strip())
    if not found or not (found.group(2) or found.group(3)):
        return None
    name, specifier, exact = normalised(found.group(1)), found.group(2), found.group(3)
    if specifier:
        return name, specifier.replace(" ", "").replace(".x", ".*" if specifier.startswith("=") else "")
    first, dash, last = (exact or "").partition("-")
    return name, f">={first},<={last}" if dash else f"=={first}"


def run(facts: Facts) -> Outcome:
    """The catalog's pairs, then those of our own."""
    for row in catalog.load().table("conflicts"):
        left, right = side(row.a), side(row.b)
        if left is None or right is None or left[0] in ELSEWHERE or right[0] in ELSEWHERE:
            continue
        if _both(facts, left, right):
            return _said(facts, left[0], right[0], row.effect, row.fix)
    for one, first, other, second, fix, effect in PAIRS:
        if _both(facts, (one, first), (other, second)):
            return _said(facts, one, other, effect, fix)
    return ok("no known conflict")


def _both(facts: Facts, left: Tuple[str, str], right: Tuple[str, str]) -> bool:
    have = facts.version(left[0]), facts.version(right[0])
    return bool(have[0] and have[1]) and within(have[0], left[1]) and within(have[1], right[1])


def _said(facts: Facts, one: str, other: str, effect: str, fix: str) -> Outcome:
    first = fix.split(" or ", maxsplit=1)[0].split(" with ", maxsplit=1)[0]
    named = re.findall(r"[A-Za-z][\w-]*\s?[<>=]=?[\d.]+", first)
    wanted = [text.replace("hub", "huggingface-hub", 1) if text.startswith("hub") else text for text in named]
    return error(
        f"{one} and {other} do not go together.",
        f"Found {one} {facts.version(one)} and {other} {facts.version(other)}: {effect}. Expected {fix}.",
        install(facts, *(wanted or [f"--upgrade {one}"])),
    )


def _facts(**versions: str) -> Facts:
    return Facts(
        packages=tuple(Package(name=name.replace("_", "-"), version=version) for name, version in versions.items())
    )


CHECK = Check(
    id="known-conflicts",
    area="version-conflict",
    why="These pairs were seen failing at import, although their metadata allows them.",
    run=run,
    requires=("duplicate-packages", "records-complete"),
    cases=(
        "pkg-cached-download",
        "pkg-clear-device-cache",
        "pkg-encoder-decoder-cache",
        "pkg-protobuf",
        "pkg-text-encoder-lora-sd",
    ),
    examples=(
        Case(facts=_facts(diffusers="0.42.1", huggingface_hub="1.33.0", transformers="5.20.0"), expect=Status.OK),
        Case(facts=_facts(diffusers="0.25.0", huggingface_hub="0.26.1"), expect=Status.ERROR),
        Case(facts=_facts(diffusers="0.34.0", transformers="5.0.0"), expect=Status.ERROR),
        Case(facts=_facts(peft="0.15.0", accelerate="0.31.0"), expect=Status.ERROR),
        Case(facts=_facts(tensorboard="2.6.0", protobuf="5.29.0"), expect=Status.ERROR),
    ),
)
