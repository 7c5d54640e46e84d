"""Our training against diffusers' own script: start-up, steps per second, peak memory, and whether the losses agree.

    python benchmarks/train_step.py examples/dreambooth/train_dreambooth.py [--steps 60] [--rounds 3]

The peer's script is given by path and run as it is. Both train the same model on the same photos and class images with
the same batch size, learning rate, precision and number of threads, one after the other in turn. The peer needs
torchvision; where that cannot be imported beside a CPU torch, its five transforms are stood in for by Pillow.
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
from dataclasses import dataclass
from pathlib import Path

TRAINER = Path(__file__).resolve().parents[1] / "trainer"

# Writes one line per step of the peer, from the only place where it reports them: accelerate's `log`.
PEER = """
import json, os, runpy, sys, time
import accelerate, diffusers, transformers
transformers.utils.is_torchvision_available(), diffusers.utils.is_torchvision_available()  # they must not use it
try:
    import torchvision.transforms
except (ImportError, OSError, RuntimeError):  # not there, or made for another torch: no such library or operator
    sys.path.insert(0, os.environ["BENCH_STAND_IN"])
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    import torchvision.transforms
out = open(os.environ["BENCH_STEPS"], "a")
def log(self, values, step=None, log_kwargs=None):
    out.write(json.dumps([time.time(), time.process_time(), values["loss"]]) + "\\n")
    out.flush()
accelerate.Accelerator.log = log
script = sys.argv[1]
sys.argv = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""

# The same for ours, at the event that it writes for a step.
OURS = """
import json, os, sys, time
from dreamboot_trainer import cli, events
out = open(os.environ["BENCH_STEPS"], "a")
progress = events.EventLog.progress
def log(self, stage, *counts, **data):
    progress(self, stage, *counts, **data)
    if stage == "train":
        out.write(json.dumps([time.time(), time.process_time(), data["loss"]]) + "\\n")
        out.flush()
events.EventLog.progress = log
sys.exit(cli.main(sys.argv[1:]))
"""

STAND_IN = """
import enum
import numpy
import torch
from PIL import Image
class InterpolationMode(enum.Enum):
    BILINEAR = 2
class Compose:
    def __init__(self, steps): self.steps = steps
    def __call__(self, image):
        for step in self.steps: image = step(image)
        return image
class Resize:
    def __init__(self, size, interpolation=None): self.size = size
    def __call__(self, image):
        scale = self.size / min(image.size)
        return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
class CenterCrop:
    def __init__(self, size): self.size = size
    def __call__(self, image):
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return image.crop((left, top, left + self.size, top + self.size))
RandomCrop = CenterCrop
class ToTensor:
    def __call__(self, image):
        return torch.from_numpy(numpy.array(image, numpy.float32) / 255).permute(2, 0, 1)
class Normalize:
    def __init__(self, mean, std): self.mean, self.std = mean[0], std[0]
    def __call__(self, values): return (values - self.mean) / self.std
"""


@dataclass(frozen=True)
class Measured:
    """One run: seconds to the end of the first step, steps per second after it, peak resident MiB, losses by step.

    Twice: by the clock, and (`cpu_`) by the processor time of the process, which other programs hardly disturb.
    """

    first_step: float
    rate: float
    cpu_first_step: float
    cpu_rate: float
    peak: float
    losses: tuple[float, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", type=Path, help="diffusers' examples/dreambooth/train_dreambooth.py")
    parser.add_argument("--model", type=Path, help="diffusers folder; the built-in demo model when left out")
    parser.add_argument("--photos", type=Path, help="folder of photos; the demo's when left out")
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1e-5)
    options = parser.parse_args()
    sys.path.insert(0, str(TRAINER))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        prepare(work, options)
        kinds = {"diffusers": peer, "ours": ours, "ours, same work": ours_plain}
        results: dict[str, list[Measured]] = {kind: [] for kind in kinds}
        for seed in range(options.rounds):
            for kind, start in kinds.items():
                results[kind].append(start(work, options, seed))
                shown = results[kind][-1]
                print(f"round {seed} {kind}: {shown.first_step:.1f} s, {shown.rate:.2f} steps/s", file=sys.stderr)
    report(results)
    return 0


def prepare(work: Path, options: argparse.Namespace) -> None:
    """The stand-in, the peer's wrapper, and class images that both read."""
    from PIL import Image

    from dreamboot_trainer import demo
    from dreamboot_trainer.data.photos import list_photos, open_photo

    options.model = Path(shutil.copytree(options.model or demo.MODEL_DIR, work / "model"))
    config = options.model / "text_encoder" / "config.json"
    # The peer looks up the class here, which not every folder names.
    config.write_text(json.dumps({"architectures": ["CLIPTextModel"], **json.loads(config.read_text())}))
    options.photos = options.photos or demo.PHOTOS_DIR
    (work / "peer.py").write_text(PEER)
    (work / "ours.py").write_text(OURS)
    package = work / "stand_in" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "transforms.py").write_text(STAND_IN)
    (work / "photos").mkdir()
    (work / "class").mkdir()
    for index, path in enumerate(list_photos(options.photos).photos):
        image = open_photo(path)
        image.save(work / "photos" / f"{index}.png")
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(work / "class" / f"{index}.png")


def peer(work: Path, options: argparse.Namespace, seed: int) -> Measured:
    """diffusers' script with the flags that mean the same."""
    steps = work / f"peer-{seed}.jsonl"
    count = str(len(list((work / "class").iterdir())))
    flags = {
        "pretrained_model_name_or_path": options.model, "instance_data_dir": work / "photos",
        "class_data_dir": work / "class", "instance_prompt": "a photo of sks animal",
        "class_prompt": "a photo of an animal", "num_class_images": count, "output_dir": work / f"peer-{seed}",
        "resolution": options.resolution, "train_batch_size": options.batch, "learning_rate": options.rate,
        "lr_warmup_steps": 0, "max_train_steps": options.steps, "seed": seed, "report_to": "all",
        "prior_loss_weight": 1.0,
    }  # fmt: skip
    command = [sys.executable, str(work / "peer.py"), str(options.peer), "--with_prior_preservation", "--center_crop"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    return measured(steps, *timed(command, work, {"BENCH_STEPS": str(steps), "BENCH_STAND_IN": str(work / "stand_in")}))


def ours(work: Path, options: argparse.Namespace, seed: int, *extra: str) -> Measured:
    """dreamboot_trainer with its defaults."""
    run = work / f"ours-{seed}-{len(extra)}"
    flags = {
        "pretrained_model_name_or_path": options.model, "instance_data_dir": work / "photos",
        "class_data_dir": work / "class", "instance_prompt": "a photo of sks animal",
        "class_prompt": "a photo of an animal", "num_class_images": len(list((work / "class").iterdir())),
        "output_dir": run, "resolution": options.resolution, "train_batch_size": options.batch,
        "learning_rate": options.rate, "max_train_steps": options.steps, "seed": seed, "num_validation_images": 0,
        "mixed_precision": "no", "device": "cpu", "save_original": "false",
    }  # fmt: skip
    command = [sys.executable, str(work / "ours.py"), "train"]
    command += [f"--{name}={value}" for name, value in flags.items()] + list(extra)
    steps = work / f"{run.name}.jsonl"
    return measured(steps, *timed(command, work, {"PYTHONPATH": str(TRAINER), "BENCH_STEPS": str(steps)}))


def ours_plain(work: Path, options: argparse.Namespace, seed: int) -> Measured:
    """dreamboot_trainer doing the peer's work: every photo is decoded and encoded again in each step."""
    return ours(work, options, seed, "--cache_latents=false")


def timed(command: list[str], work: Path, environment: dict[str, str]) -> tuple[float, float]:
    """When a command was started (Unix seconds) and its peak resident MiB. Its output is kept in a file."""
    with (work / "output.txt").open("w") as output:
        started = time.time()
        process = os.posix_spawn(
            command[0], command, {**os.environ, "HF_HUB_OFFLINE": "1", **environment},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )  # fmt: skip
        _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"{command} failed:\n{(work / 'output.txt').read_text()[-3000:]}")
    return started, usage.ru_maxrss / 1024


def measured(steps: Path, started: float, peak: float) -> Measured:
    """Steps per second from the first step's end to the last one's."""
    rows = [json.loads(line) for line in steps.read_text().splitlines()]
    times, processor, losses = zip(*rows, strict=True)
    count = len(rows) - 1
    return Measured(
        first_step=times[0] - started,
        rate=count / (times[-1] - times[0]),
        cpu_first_step=processor[0],
        cpu_rate=count / (processor[-1] - processor[0]),
        peak=peak,
        losses=losses,
    )


def report(results: dict[str, list[Measured]]) -> None:
    """Medians, ratios to the peer, and the difference of the mean losses in standard errors."""
    base = results["diffusers"]
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}")
    print("| | first step after | steps/s | CPU s to first step | steps per CPU s | peak memory | mean loss |")
    print("|---|---|---|---|---|---|---|")
    columns = (("first_step", "s"), ("rate", ""), ("cpu_first_step", "s"), ("cpu_rate", ""), ("peak", "MiB"))
    for kind, runs in results.items():
        cells = []
        for name, unit in columns:
            value, other = (statistics.median(getattr(run, name) for run in group) for group in (runs, base))
            cells.append(f"{value:.2f} {unit} ({value / other:.2f} x)")
        mean, error = mean_and_error(runs)
        print(f"| {kind} | {' | '.join(cells)} | {mean:.4f} +- {error:.4f} |")
    plain, other = mean_and_error(results["ours, same work"]), mean_and_error(base)
    distance = abs(plain[0] - other[0]) / (plain[1] ** 2 + other[1] ** 2) ** 0.5
    print(f"same objective: the mean losses differ by {distance:.1f} standard errors")


def mean_and_error(runs: list[Measured]) -> tuple[float, float]:
    """Mean loss over all steps of all rounds, and its standard error."""
    values = [loss for run in runs for loss in run.losses]
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


if __name__ == "__main__":
    sys.exit(main())
