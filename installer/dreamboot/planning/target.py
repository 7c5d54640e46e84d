"""Which device is planned for: the discrete GPU before the integrated one, all selected cards of one maker."""

from __future__ import annotations

import re
from typing import List, Optional, Tuple, Union

from dreamboot.catalog import Catalog, gpus
from dreamboot.catalog.versions import numbers
from dreamboot.model import Driver, Gpu, Machine, Problem, Vendor, Wish
from dreamboot.planning.question import Card, Target

DEVICE = {Vendor.NVIDIA: "cuda", Vendor.AMD: "rocm", Vendor.INTEL: "xpu", Vendor.APPLE: "mps"}
# Where cards of several makers are present, the one whose builds are most complete is meant.
PREFERENCE = (Vendor.NVIDIA, Vendor.AMD, Vendor.APPLE, Vendor.INTEL)
# A LoRA of SD 1.x takes 2.6 GiB (memory.json). Integrated GPUs borrow from the system's memory beyond their own, but
# those with less than this are the two-core display kind, slower than the CPU beside them.
_INTEGRATED_MIB = 2048


def choose(machine: Machine, wish: Wish, catalog: Catalog) -> Union[Target, Problem]:
    """The device to plan for, or the problem that stands in the way before any build is looked at."""
    if wish.device == "cpu":
        return Target(device="cpu", reason="asked for with --device cpu")
    if machine.wsl == 1 and machine.gpus:
        return _in_wsl_1(wish)
    asked = [gpu for gpu in machine.gpus if gpu.index in wish.gpus] if wish.gpus else list(machine.gpus)
    if wish.gpus and len({gpu.index for gpu in asked}) < len(set(wish.gpus)):
        return _no_such_gpu(machine, wish)
    usable, skipped = _usable(asked, catalog, machine.os)
    if wish.device:
        usable = [card for card in usable if DEVICE[card.gpu.vendor] == wish.device]
    if not usable:
        return _without_gpu(machine, wish, skipped)
    cards = _preferred(usable, explicit=bool(wish.gpus or wish.device))
    if isinstance(cards, str):
        return Target(device="cpu", reason=cards, warnings=(cards,))
    return _with_cards(machine, cards, usable, catalog)


def _usable(asked: List[Gpu], catalog: Catalog, system: str) -> Tuple[List[Card], List[str]]:
    cards: List[Card] = []
    skipped: List[str] = []
    for gpu in asked:
        fault = _not_a_computer(gpu, catalog) or _not_on_a_mac(gpu, system)
        if fault:
            skipped.append(fault)
        else:
            cards.append(card_of(gpu, catalog))
    return cards, skipped


def _not_on_a_mac(gpu: Gpu, system: str) -> str:
    """torch's macOS builds compute on Apple's own GPUs (those for Intel Macs ended with torch 2.2.2)."""
    if system != "macos" or gpu.vendor is Vendor.APPLE:
        return ""
    return f"{gpu.name} is in a Mac, and no macOS build of today computes on it"


def _not_a_computer(gpu: Gpu, catalog: Catalog) -> str:
    """Why no PyTorch build computes on this adapter; "" when one may."""
    if not gpu.usable:
        return f"{gpu.name} is a display adapter that no PyTorch build computes on"
    if gpu.vendor is Vendor.INTEL:
        for row in catalog.table("intel"):
            if re.search(row.pattern, gpu.name, re.IGNORECASE):
                return "" if row.supported else f"{gpu.name} ({row.what}) is not an XPU"
        return f"{gpu.name} is not among the Intel GPUs that XPU builds support (Arc, Core Ultra, Data Center Max)"
    return ""


def card_of(gpu: Gpu, catalog: Catalog) -> Card:
    """The GPU with what the catalog knows of it; what the machine itself says wins."""
    if gpu.vendor is Vendor.NVIDIA:
        match = gpus.find(gpu.name, catalog)
        capability = gpu.compute_capability or match.compute_capability
        models = [model for model in match.models if model.compute_capability == capability]
        return Card(
            gpu=gpu,
            compute_capability=capability,
            fp16=all(model.fp16 for model in models) and match.family_fp16,
            bf16=numbers(capability) >= (8, 0),
            data_center=bool(models) and all(model.data_center for model in models),
            last_driver_branch=models[0].last_driver_branch if models else "",
        )
    if gpu.vendor is Vendor.AMD:
        row = catalog.amd(gpu.gfx) if gpu.gfx else _amd_by_name(gpu.name, catalog)
        gfx = gpu.gfx.split(":")[0].lower() or (row.gfx if row else "")
        return Card(gpu=gpu, gfx=gfx, bf16=bool(row and row.bf16))
    return Card(gpu=gpu, bf16=gpu.vendor is Vendor.INTEL)


def _amd_by_name(name: str, catalog: Catalog):  # type: ignore[no-untyped-def]  # noqa: ANN202 - an optional row
    """The longest product name that the GPU's name holds decides ("RX 7900 XTX" before "RX 7900 XT")."""
    text = re.sub(r"\((?:tm|r)\)|™|®", "", name.lower())
    found = [
        (len(product), row)
        for row in catalog.table("amd")
        for product in row.products
        if re.search(rf"\b{re.escape(product.lower().replace('radeon ', '').replace('instinct ', ''))}\b", text)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _preferred(cards: List[Card], *, explicit: bool) -> Union[Tuple[Card, ...], str]:
    """The cards of the preferred maker; discrete before integrated. A sentence when only a weak integrated one is."""
    vendor = next(maker for maker in PREFERENCE if any(card.gpu.vendor is maker for card in cards))
    discrete = [card for card in cards if not card.gpu.integrated]
    if discrete:
        vendor = next(maker for maker in PREFERENCE if any(card.gpu.vendor is maker for card in discrete))
        return tuple(card for card in discrete if card.gpu.vendor is vendor)
    chosen = tuple(card for card in cards if card.gpu.vendor is vendor)
    if explicit or vendor is Vendor.APPLE:
        return chosen
    memory = max(card.gpu.vram_total_mib or _INTEGRATED_MIB for card in chosen)
    if vendor is Vendor.AMD and memory < _INTEGRATED_MIB:
        return (
            f"{chosen[0].gpu.name} is integrated and has {memory} MiB of its own memory: too little to train on. "
            "Planned for the CPU; --gpu N takes it all the same"
        )
    return chosen


def _with_cards(
    machine: Machine, cards: Tuple[Card, ...], usable: List[Card], catalog: Catalog
) -> Union[Target, Problem]:
    vendor = cards[0].gpu.vendor
    unknown = next((card for card in cards if vendor is Vendor.NVIDIA and not card.compute_capability), None)
    if unknown is not None:
        return _unknown_gpu(unknown, catalog)
    driver = next((found for found in machine.drivers if found.vendor is vendor), None)
    fault = next((found for found in machine.faults if found.vendor is vendor), None)
    # A machine that was read, not stated, and has no driver: nothing runs on the card until one is installed.
    if vendor is Vendor.NVIDIA and driver is None and (fault or machine.probes):
        return _no_driver(cards[0], machine, fault.cause if fault else "no NVIDIA driver was found")
    cards, sliced = _one_slice(cards)
    others = [card for card in usable if card not in cards]
    names = ", ".join(card.label for card in cards)
    reason = names + (f"; not {', '.join(card.gpu.name for card in others)}" if others else "")
    warnings = _warnings(cards, driver, vendor, catalog)
    return Target(
        device=DEVICE[vendor], reason=reason, cards=cards, driver=driver, driver_stated=driver is not None,
        warnings=(*warnings, *sliced),
    )  # fmt: skip


def _one_slice(cards: Tuple[Card, ...]) -> Tuple[Tuple[Card, ...], Tuple[str, ...]]:
    """Whole cards before slices, and of slices the largest alone: a process sees one MIG device, NCCL joins none.

    Source: https://docs.nvidia.com/datacenter/tesla/mig-user-guide/ (application considerations).
    """
    whole = tuple(card for card in cards if not card.gpu.mig)
    if len(cards) == 1 or len(whole) == len(cards):
        return cards, ()
    kept = whole or (max(cards, key=lambda card: card.gpu.vram_total_mib or 0),)
    names = ", ".join(card.label for card in kept)
    return kept, (f"A process computes on one MIG device at most: planned for {names}.",)


def _warnings(cards: Tuple[Card, ...], driver: Optional[Driver], vendor: Vendor, catalog: Catalog) -> Tuple[str, ...]:
    found = []
    if vendor is Vendor.NVIDIA and driver is None:
        found.append("The driver version is not stated: the plan holds for a driver that reaches its minimum.")
    if driver is not None:
        for card in cards:
            branch = card.last_driver_branch.lstrip("R")
            # A branch is ten numbers wide: R470's last driver for Windows is 474.44, R580's are 581 and 582.
            if branch and vendor is Vendor.NVIDIA and numbers(driver.version) >= (int(branch) + 10,):
                found.append(
                    f"{card.gpu.name}: NVIDIA's last driver branch for it is {card.last_driver_branch}; driver "
                    f"{driver.version} can't run it. Install a {branch} driver if torch does not see the card."
                )
            first = _first_branch(card.compute_capability, catalog) if vendor is Vendor.NVIDIA else 0
            if driver.version and numbers(driver.version)[:1] < (first,):
                found.append(
                    f"{card.gpu.name}: drivers know it from branch R{first} on; {driver.version} will not find it. "
                    f"Update the NVIDIA driver to {first} or newer."
                )
    return tuple(dict.fromkeys(found))


def _first_branch(capability: str, catalog: Catalog) -> int:
    """The oldest driver branch that knows a compute capability; 0 where the catalog does not tell."""
    for row in catalog.table("first_drivers"):
        toolkit = catalog.toolkit(row.cuda) if row.compute_capability == capability else None
        if toolkit is not None:
            return numbers(toolkit.ships_linux)[0]
    return 0


# ---------------------------------------------------------------- problems


def _in_wsl_1(wish: Wish) -> Union[Target, Problem]:
    """Source: https://learn.microsoft.com/windows/wsl/compare-versions (GPU support is WSL 2's)."""
    cause = "WSL 1 gives programs no access to a GPU"
    hint = "wsl --set-version NAME 2   in a Windows console converts the distribution"
    if wish.device:
        return Problem(
            id="wsl-1-has-no-gpu",
            what=f"There is no {wish.device} device to plan for.",
            cause=cause,
            hint=f"{hint}; dreamboot plan --device cpu   plans for the CPU",
        )
    return Target(device="cpu", reason=cause, warnings=(f"{cause}: planned for the CPU. {hint}",))


def _without_gpu(machine: Machine, wish: Wish, skipped: List[str]) -> Union[Target, Problem]:
    fault = next((found for found in machine.faults if found.vendor is not None and found.evidence), None)
    if wish.device:
        return Problem(
            id="device-not-here",
            what=f"There is no {wish.device} device to plan for.",
            cause="; ".join(skipped) or (fault.cause if fault else "no such GPU was found on this machine"),
            hint="dreamboot detect   shows what was found; dreamboot plan --device cpu   plans for the CPU",
        )
    if fault is not None:
        return Problem(
            id="gpu-does-not-answer",
            what="A GPU is present, but it does not answer.",
            cause=f"{fault.cause} ({fault.evidence})",
            hint="dreamboot doctor   says how to mend it; dreamboot plan --device cpu   plans without the GPU",
        )
    return Target(device="cpu", reason="; ".join(skipped) or "no GPU that a PyTorch build computes on was found")


def _no_such_gpu(machine: Machine, wish: Wish) -> Problem:
    here = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in machine.gpus) or "none"
    return Problem(
        id="gpu-not-here",
        what=f"--gpu {','.join(map(str, wish.gpus))} names a GPU that this machine does not have.",
        cause=f"GPUs here: {here}",
        hint="dreamboot detect",
    )


def _unknown_gpu(card: Card, catalog: Catalog) -> Problem:
    name = card.gpu.name
    newer = gpus.find(name, catalog).newer
    ask = (
        "Ask the driver: nvidia-smi --query-gpu=name,compute_cap --format=csv   and state the answer as "
        "compute_capability in a file for --assume; or plan without the GPU: dreamboot plan --device cpu"
    )
    return Problem(
        id="gpu-newer-than-catalog" if newer else "gpu-unknown",
        what=f"The compute capability of {name!r} is not known, so no build can be promised to run on it.",
        cause="Its number lies above every GPU that this version of dreamboot knows, so no known build was made for it."
        if newer
        else "The machine did not report it, and the name fits no single row of the catalog.",
        hint=("Update dreamboot. " if newer else "") + ask,
    )


def _no_driver(card: Card, machine: Machine, cause: str) -> Problem:
    where = "on Windows itself (not inside WSL)" if machine.wsl else "on this machine"
    return Problem(
        id="driver-missing",
        what=f"{card.gpu.name} has no working NVIDIA driver.",
        cause=cause,
        hint=f"Install NVIDIA's driver {where}, then run this again; dreamboot plan --device cpu   does without",
        link="https://www.nvidia.com/drivers",
    )
