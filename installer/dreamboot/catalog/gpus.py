"""GPU names as drivers, registries and people write them → compute capability, or an honest "not known"."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from dreamboot.catalog.catalog import Catalog
from dreamboot.catalog.rows import GpuModel
from dreamboot.values import value

# Words that name an edition, not another chip. Where an edition is another chip (GTX 950M beside GTX 950), the
# catalog has a row of its own, and the exact name is tried first.
_EDITION = re.compile(
    r"\b(\d+\s*gi?b|laptop gpu|laptop|mobile|max-?q|with max-?q design|notebook|pcie|sxm\d?|hbm\d?e?|nvl|lhr|"
    r"founders edition|vgpu|grid|mig \d+g\.\d+gb|server edition|workstation edition|edition|generation)\b"
)
# A slice of a card under a hypervisor: "GRID A100-10C", "NVIDIA L40S-8Q" (memory in GiB and the profile's letter).
_VGPU = re.compile(r"^((?:grid )?[a-z]+ ?\d+[a-z]*) \d+[abcq]$")
_NOISE = re.compile(r"\((?:r|tm|c)\)|[®™]|\bcorporation\b|\bnvidia\b|\bgeforce\b|\bgraphics\b|\[|\]")
# "GeForce RTX 5090" → 50, "GTX 1080" → 10: the generation of a consumer card. Those of workstations (RTX 6000) count
# otherwise and end in three zeros.
_SERIES = re.compile(r"^(?:rtx|gtx) (\d{2})[1-9]0\b")


@value
class GpuMatch:
    """What the catalog knows of a GPU name.

    `models`: rows that fit; `family`: compute capability by a family's pattern where no row fits, with `family_fp16`
    False where half precision gives NaN; `newer`: its number is above all known ones.
    """

    models: Tuple[GpuModel, ...] = ()
    family: str = ""
    family_fp16: bool = True
    newer: bool = False
    how: str = ""

    @property
    def compute_capability(self) -> str:
        """The compute capability when all matching models agree on one, else that of the family, else ""."""
        found = {model.compute_capability for model in self.models}
        return found.pop() if len(found) == 1 else self.family


def plain(name: str) -> str:
    """One spelling of a GPU name: lower case, no maker, no trademark signs, single spaces."""
    text = _NOISE.sub(" ", name.lower().replace("-sxm", " sxm").replace("-pcie", " pcie"))
    text = re.sub(r"(\d)\s+(gi?b)\b", r"\1\2", text)
    return " ".join(text.replace("-", " ").replace("_", " ").split())


def core(name: str) -> str:
    """A plain name without the words that only name an edition."""
    text = _VGPU.sub(r"\1", plain(name).replace("max q", "max-q"))
    return " ".join(_EDITION.sub(" ", text).split())


def find(name: str, catalog: Catalog) -> GpuMatch:
    """Look a name up: exactly, then without editions, then (for truncated names, "RTX 2080 S...") by its beginning."""
    spelled, stems = _spellings(catalog)
    cut = name.rstrip().endswith(("...", "…"))
    text = name.rstrip().rstrip(".…")
    if not cut:
        for key, table, how in ((plain(text), spelled, "by name"), (core(text), stems, "by name without its edition")):
            if key in table:
                return GpuMatch(models=tuple(table[key]), how=how)
        text = _VGPU.sub(r"\1", plain(text)).replace("grid ", "")
    prefix = plain(text)
    found = [model for key, models in spelled.items() if prefix and key.startswith(prefix) for model in models]
    if found and (cut or len(prefix.split()) > 1):
        return GpuMatch(models=tuple(dict.fromkeys(found)), how="by the beginning of its name")
    if not cut:
        for row in catalog.table("gpu_families"):
            if re.search(row.pattern, prefix):
                return GpuMatch(family=row.compute_capability, family_fp16=row.fp16, how="by its family")
    return GpuMatch(newer=_is_newer(text, catalog))


def _spellings(catalog: Catalog) -> Tuple[Dict[str, List[GpuModel]], Dict[str, List[GpuModel]]]:
    cached = catalog.remember("gpu-spellings", lambda: _index(catalog))
    result: Tuple[Dict[str, List[GpuModel]], Dict[str, List[GpuModel]]] = cached
    return result


def _index(catalog: Catalog) -> Tuple[Dict[str, List[GpuModel]], Dict[str, List[GpuModel]]]:
    spelled: Dict[str, List[GpuModel]] = {}
    stems: Dict[str, List[GpuModel]] = {}
    for model in catalog.gpus:
        for name in (model.name, *model.aliases):
            for table, key in ((spelled, plain(name)), (stems, core(name))):
                members = table.setdefault(key, [])
                if model not in members:
                    members.append(model)
    return spelled, stems


def _is_newer(name: str, catalog: Catalog) -> bool:
    """Whether a consumer card's series lies above every series in the catalog."""
    found = _SERIES.search(plain(name))
    if not found:
        return False
    known = [_SERIES.search(plain(model.name)) for model in catalog.gpus]
    return int(found.group(1)) > max(int(match.group(1)) for match in known if match)
