"""How fast a conversion is, against a plain copy of the same bytes.

    python benchmarks/convert.py [--size small|1.5] [--rounds 5] [--folder DIR] [--json]

Makes a model of Stable Diffusion 1.x's topology with random weights (`--size 1.5`: the real one's widths, 4.3 GB in
float32) and converts it in both directions, with and without a change of format. The peer is a plain copy of the model
that is converted: shutil.copyfile, which lets the kernel copy. Rates count the bytes of that model. A second ratio
compares with a copy of the result, which is the harder one where the result is half as large.
Conversions and copies take turns, so that other work on the machine hits both. All end with fsync: a result that is
not on the disk is not done. Medians; the goal is a ratio >= 0.5.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainer"))

from dreamboot_trainer.convert import from_original, infer, to_original
from dreamboot_trainer.convert.families import FAMILIES

GOAL = 0.5
DTYPES = ("keep", "float16")
_SMALL = {"unet": {"block_out_channels": [128, 256, 512, 512], "cross_attention_dim": 256}}


@dataclass(frozen=True)
class Row:
    """One kind of conversion: bytes read and written, median seconds of it and of copies of its input and result."""

    name: str
    bytes_read: int
    bytes_written: int
    seconds: float
    copy_seconds: float
    result_copy_seconds: float

    @property
    def ratio(self) -> float:
        """The conversion's rate over that of a copy of its input."""
        return self.copy_seconds / self.seconds

    @property
    def result_ratio(self) -> float:
        """The conversion's rate over that of a copy of its result."""
        return self.result_copy_seconds / self.seconds


def main() -> int:
    """Measure, print a table (or JSON), return 0 when every ratio reaches the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("small", "1.5"), default="small", help="small: 0.5 GB; 1.5: SD 1.5's 4.3 GB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where to work (needs 4 times the size); default: a temporary folder"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="dreamboot-bench-") as name:
        root = Path(name)
        model, tokens = make(root / "model", options.size), make_tokenizer(root / "tokenizer")
        rows = [
            measure(f"folder -> checkpoint, {dtype}", root, model, options.rounds, partial(to, model, dtype))
            for dtype in DTYPES
        ]
        checkpoint = root / "checkpoint.safetensors"
        to_original(model, checkpoint, dtype="keep")
        shutil.rmtree(model)
        rows += [
            measure(
                f"checkpoint -> folder, {dtype}",
                root,
                checkpoint,
                options.rounds,
                partial(back, checkpoint, tokens, dtype),
            )
            for dtype in DTYPES
        ]
    show(rows, as_json=options.json)
    return 0 if all(row.ratio >= GOAL for row in rows) else 1


def to(model: Path, dtype: str, out: Path) -> Path:
    return to_original(model, out.with_suffix(".safetensors"), dtype=dtype).output


def back(checkpoint: Path, tokens: Path, dtype: str, out: Path) -> Path:
    return from_original(checkpoint, out, dtype=dtype, tokenizer_dir=tokens).output


def measure(name: str, root: Path, source: Path, rounds: int, convert: Callable[[Path], Path]) -> Row:
    """Convert and copy in turns; one untimed round first, so that all find the source in the kernel's cache."""
    times: list[tuple[float, float, float]] = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        result = convert(root / "out")
        converted = time.perf_counter() - began
        sizes = [sum(file.stat().st_size for file in weights(path)) for path in (source, result)]
        times.append((converted, copy_all(source, root / "copy"), copy_all(result, root / "copy")))
        shutil.rmtree(result) if result.is_dir() else result.unlink()
    return Row(name, *sizes, *(statistics.median(column) for column in zip(*times[1:])))


def weights(path: Path) -> list[Path]:
    return sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]


def copy_all(source: Path, target: Path) -> float:
    """Seconds of copying a model's weight files; the copies are removed afterwards."""
    target.mkdir()
    began = time.perf_counter()
    for index, file in enumerate(weights(source)):
        copy(file, target / str(index))
    seconds = time.perf_counter() - began
    shutil.rmtree(target)
    return seconds


def copy(source: Path, target: Path) -> None:
    """The peer: the standard library's copy, forced to the disk as the conversion is."""
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def make(folder: Path, size: str) -> Path:
    """A diffusers folder with random float32 weights (one block of noise over and over: making it is not measured)."""
    import numpy as np
    from safetensors.numpy import save_file

    configs = infer.published("sd1")
    if size == "small":
        configs["unet"] |= _SMALL["unet"]
        configs["text_encoder"] |= {"hidden_size": 256, "intermediate_size": 1024}
    (folder / "scheduler").mkdir(parents=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(configs["scheduler"]))
    noise = np.random.default_rng(0).standard_normal(1 << 20, dtype="f4")
    for part in FAMILIES["sd1"].components:
        target = folder / part.folder
        target.mkdir(parents=True)
        (target / "config.json").write_text(json.dumps(configs[part.folder]))
        pairs = part.pairs(configs[part.folder])
        save_file(
            {n: np.resize(noise, p.shape) for p in pairs for n in p.diffusers}, target / f"{part.stem}.safetensors"
        )
    return folder


def make_tokenizer(folder: Path) -> Path:
    folder.mkdir()
    (folder / "vocab.json").write_text('{"a": 0}')
    return folder


def show(rows: list[Row], *, as_json: bool) -> None:
    if as_json:
        plain = [{**row.__dict__, "ratio": row.ratio, "result_ratio": row.result_ratio} for row in rows]
        print(json.dumps({"goal": GOAL, "rows": plain}))
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}; medians, all with fsync")
    print(f"{'':30}{'MB in':>8}{'MB out':>8}{'GB/s':>8}{'copy GB/s':>11}{'ratio':>8}{'to copy of result':>20}")
    for row in rows:
        sizes = f"{row.bytes_read / 1e6:8.0f}{row.bytes_written / 1e6:8.0f}"
        rates = f"{row.bytes_read / row.seconds / 1e9:8.2f}{row.bytes_read / row.copy_seconds / 1e9:11.2f}"
        print(f"{row.name:30}{sizes}{rates}{row.ratio:8.2f}{row.result_ratio:20.2f}")


if __name__ == "__main__":
    sys.exit(main())
