"""pip is not told to take torch's CPU builds on a machine with a GPU."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Gpu, Machine, PackageIndexes, Status, Vendor


def run(facts: Facts) -> Outcome:
    """An index that ends in whl/cpu among the extra ones."""
    indexes = facts.machine.indexes
    urls = (indexes.index_url, *indexes.extra_index_urls, *facts.environ.get("PIP_EXTRA_INDEX_URL", "").split())
    named = [url for url in urls if url.rstrip("/").endswith("/whl/cpu")]
    if not named:
        return ok("no index of CPU builds is configured")
    if not any(gpu.vendor in (Vendor.NVIDIA, Vendor.AMD) for gpu in facts.machine.gpus):
        return ok(f"{named[0]} is configured, and this machine has no GPU")
    return warning(
        "pip is configured to take torch's CPU builds.",
        f"{named[0]} is an extra index; +cpu outranks the builds for your GPU.",
        manual(
            "unset PIP_EXTRA_INDEX_URL; python -m pip config unset global.extra-index-url",
            "pip asks the default index only",
        ),
    )


_GPU = (Gpu(vendor=Vendor.NVIDIA, name="T4"),)
_CPU_INDEX = PackageIndexes(extra_index_urls=("https://download.pytorch.org/whl/cpu/",))

CHECK = Check(
    id="pip-cpu-index",
    area="cpu-wheel-installed",
    why="The next installation of torch would silently bring the CPU build.",
    run=run,
    cases=("cpu-extra-index-final-beats-nightly",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(machine=Machine(os="linux", indexes=_CPU_INDEX)), expect=Status.OK),
        Case(facts=Facts(machine=Machine(os="linux", indexes=_CPU_INDEX, gpus=_GPU)), expect=Status.WARNING),
    ),
)
