"""What one question to an NVIDIA driver told."""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, List, Optional, Tuple

from dreamboot.machine.sizes import mebibytes
from dreamboot.model import Driver, Fault, Gpu, GpuProcess, Vendor
from dreamboot.values import value


@value
class MigDevice:
    """One slice of a GPU. `profile` like "3g.40gb", sizes in MiB, `gpu` the index of the whole card."""

    gpu: int
    profile: str = ""
    uuid: str = ""
    vram_total_mib: Optional[int] = None
    vram_free_mib: Optional[int] = None


@value
class Reading:
    """GPUs and driver as one source tells them; what it doesn't tell stays empty."""

    driver: str = ""
    cuda: str = ""
    gpus: Tuple[Gpu, ...] = ()
    mig: Tuple[MigDevice, ...] = ()
    faults: Tuple[Fault, ...] = ()

    @property
    def found(self) -> bool:
        """True when there is anything to go on with."""
        return bool(self.gpus or self.driver)


def said(text: Optional[str]) -> str:
    """A cell's text, "" for the many ways in which the tools say that there is nothing to say."""
    text = (text or "").strip()
    nothing = text.lower().startswith(
        ("[n/a", "n/a", "[not supported", "[unknown", "err!", "[insufficient", "requested ")
    )
    return "" if nothing else text


def number(text: Optional[str]) -> Optional[int]:
    """MiB of a cell like "8192 MiB"; None when it holds no amount."""
    word = said(text)
    if not re.search(r"[A-Za-z]", word):
        return int(float(word)) if re.fullmatch(r"\d{1,9}(\.\d+)?", word) else None
    return mebibytes(word)


def version(text: Optional[str]) -> str:
    """The first version number in a cell: "610.62 [Deprecated; …]" → "610.62"; "" when there is none."""
    match = re.match(r"\d+(?:\.\d+)+", said(text))
    return match.group(0) if match else ""


def process(pid: str, name: str, memory: Optional[str]) -> Optional[GpuProcess]:
    """One process that holds video memory (how much is not known under WDDM)."""
    if not re.fullmatch(r"\d{1,10}", pid.strip()):
        return None
    return GpuProcess(pid=int(pid), name=said(name), vram_mib=number(memory))


def merge(first: Reading, second: Reading) -> Reading:
    """`first`, with what it lacks taken from `second`; GPUs are matched by index."""
    if not first.gpus:
        gpus = second.gpus
    else:
        others = {gpu.index: gpu for gpu in second.gpus}
        gpus = tuple(_complete(gpu, others.get(gpu.index)) for gpu in first.gpus)
    faults = first.faults + tuple(fault for fault in second.faults if fault.id not in {f.id for f in first.faults})
    return Reading(
        driver=first.driver or second.driver,
        cuda=first.cuda or second.cuda,
        gpus=gpus,
        mig=_join_slices(first.mig, second.mig),
        faults=faults,
    )


def _complete(gpu: Gpu, other: Optional[Gpu]) -> Gpu:
    if other is None:
        return gpu
    missing = {
        field.name: getattr(other, field.name)
        for field in dataclasses.fields(Gpu)
        if getattr(gpu, field.name) in ("", None, (), False) and getattr(other, field.name) not in ("", None, (), False)
    }
    # The table cuts long names off.
    if gpu.name.endswith("...") and other.name.startswith(gpu.name[:-3].rstrip()):
        missing["name"] = other.name
    return dataclasses.replace(gpu, **missing)


def _join_slices(first: Tuple[MigDevice, ...], second: Tuple[MigDevice, ...]) -> Tuple[MigDevice, ...]:
    """-L tells profile and UUID, the table tells sizes; both list a GPU's slices in the same order."""
    if len(first) != len(second):
        return first or second
    return tuple(
        MigDevice(
            gpu=a.gpu,
            profile=a.profile or b.profile,
            uuid=a.uuid or b.uuid,
            vram_total_mib=b.vram_total_mib if a.vram_total_mib is None else a.vram_total_mib,
            vram_free_mib=b.vram_free_mib if a.vram_free_mib is None else a.vram_free_mib,
        )
        for a, b in zip(first, second)
    )


def usable_gpus(reading: Reading) -> Tuple[Gpu, ...]:
    """GPUs as CUDA sees them: a card cut into MIG slices is its slices, and can't be used as a whole."""
    slices: Dict[int, List[MigDevice]] = {}
    for item in reading.mig:
        slices.setdefault(item.gpu, []).append(item)
    gpus: List[Gpu] = []
    for gpu in reading.gpus:
        parts = slices.get(gpu.index)
        if not parts:
            gpus.append(gpu)
            continue
        gpus += [
            dataclasses.replace(
                gpu,
                name=f"{gpu.name} MIG {part.profile}".rstrip(),
                uuid=part.uuid,
                vram_total_mib=part.vram_total_mib,
                vram_free_mib=part.vram_free_mib,
                mig=True,
                processes=(),
            )
            for part in parts
        ]
    return tuple(gpus)


def uncut(reading: Reading) -> Tuple[Fault, ...]:
    """A card in MIG mode without slices: CUDA finds no device on it."""
    cut = {item.gpu for item in reading.mig}
    return tuple(
        Fault(
            id="nvidia-mig-without-devices",
            vendor=Vendor.NVIDIA,
            cause=f"{gpu.name} is in MIG mode but has no MIG device, so CUDA finds nothing to run on",
            evidence="MIG mode: Enabled, MIG devices: none",
        )
        for gpu in reading.gpus
        if gpu.mig and gpu.index not in cut
    )


def drivers(reading: Reading) -> Tuple[Driver, ...]:
    """The driver, when its version is known."""
    if not reading.driver:
        return ()
    return (Driver(vendor=Vendor.NVIDIA, version=reading.driver, cuda_version=reading.cuda),)
