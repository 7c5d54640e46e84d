"""The catalog: every table, typed when first asked for, with the questions that planning and the doctor ask."""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from dreamboot.catalog import rows
from dreamboot.catalog.loading import TABLES, read, typed
from dreamboot.catalog.versions import numbers

PYTORCH_INDEX = "https://download.pytorch.org/whl"


class Catalog:
    """Typed tables over plain data. Immutable: tables are made once, on first use, and never change."""

    def __init__(self, data: Optional[Mapping[str, Mapping[str, Any]]] = None) -> None:
        """`data`: tables to use instead of the data files (tests build small worlds this way)."""
        self._data = dict(data or {})
        self._typed: Dict[str, Tuple[Any, ...]] = {}
        self._indexes: Dict[str, Any] = {}

    def table(self, name: str) -> Tuple[Any, ...]:
        """All rows of one table, typed. Raises `KeyError` where there is no such table, `BadRowError` for a bad row."""
        if name not in self._typed:
            self._typed[name] = typed(name, self.raw(name))
        return self._typed[name]

    def raw(self, name: str) -> Mapping[str, Any]:
        """One table as plain data, with its `about`, `as_of` and `sources`."""
        if name not in TABLES:
            raise KeyError(name)
        if name not in self._data:
            self._data[name] = read(name)
        return self._data[name]

    @property
    def releases(self) -> Tuple[rows.TorchRelease, ...]:
        """torch releases, oldest first."""
        return self.table("torch")

    @property
    def toolkits(self) -> Tuple[rows.CudaToolkit, ...]:
        """CUDA toolkits, newest first."""
        return self.table("cuda")

    @property
    def gpus(self) -> Tuple[rows.GpuModel, ...]:
        """NVIDIA GPUs by name."""
        return self.table("gpus")

    @property
    def stacks(self) -> Tuple[rows.Stack, ...]:
        """Sets of packages, preferred first."""
        return self.table("stacks")

    def release(self, torch: str) -> Optional[rows.TorchRelease]:
        """The row of one torch release."""
        by_name = self.remember("releases", lambda: {row.torch: row for row in self.releases})
        found: Optional[rows.TorchRelease] = by_name.get(torch)
        return found

    def remember(self, key: str, make: Callable[[], Any]) -> Any:
        """An index over the tables, made on first use. The tables never change, so neither does the index."""
        if key not in self._indexes:
            self._indexes[key] = make()
        return self._indexes[key]

    def architectures(self, torch: str, tag: str, platform: str) -> Optional[rows.Architectures]:
        """What a CUDA build holds code for; None where the catalog does not know."""
        version = numbers(torch)
        for first, last, row in self.remember("architectures", self._by_tag).get((tag, platform), ()):
            if first <= version <= last:
                found: rows.Architectures = row
                return found
        return None

    def _by_tag(self) -> Mapping[Tuple[str, str], Any]:
        grouped: Dict[Tuple[str, str], Any] = {}
        for row in self.table("architectures"):
            for where in row.platforms:
                grouped.setdefault((row.tag, where), []).append((numbers(row.first), numbers(row.last), row))
        return grouped

    def toolkit(self, cuda: str) -> Optional[rows.CudaToolkit]:
        """The first release (lowest driver) of a CUDA version such as "12.6"."""
        same = [row for row in self.toolkits if row.cuda == cuda]
        return min(same, key=lambda row: numbers(row.ships_linux)) if same else None

    def cuda_minimum(self, cuda: str, *, windows: bool) -> str:
        """The oldest driver that runs programs of this CUDA version's major; "" where unknown."""
        major = cuda.split(".", maxsplit=1)[0]
        same = [row for row in self.toolkits if row.cuda == cuda]
        same = same or [row for row in self.toolkits if row.cuda.split(".")[0] == major]
        if not same:
            return ""
        return same[0].minimum_windows if windows else same[0].minimum_linux

    def amd(self, gfx: str) -> Optional[rows.AmdTarget]:
        """The row of one gfx target."""
        plain = gfx.split(":", maxsplit=1)[0].lower()
        return next((row for row in self.table("amd") if row.gfx == plain), None)

    def floor(self, what: str) -> rows.Floor:
        """The oldest version of `what` ("torch", "python") that the trainer runs on. Raises `KeyError`."""
        return self.floors()[what]

    def floors(self) -> Mapping[str, rows.Floor]:
        """Every floor by what it is of."""
        found: Mapping[str, rows.Floor] = self.remember(
            "floors", lambda: {row.what: row for row in self.table("floors")}
        )
        return found

    def sources(self, name: str) -> Mapping[str, str]:
        """Short source names of a table → where that is."""
        found: Mapping[str, str] = self.raw(name).get("sources", {})
        return found


@functools.lru_cache(maxsize=1)
def load() -> Catalog:
    """The catalog that is shipped, once per process."""
    return Catalog()
