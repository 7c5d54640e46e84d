"""Memory, kills, and what is not imported, each seen from outside the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from dreamboot_trainer.convert import from_original, infer, to_original
from dreamboot_trainer.convert.families import FAMILIES
from support.tiny_families import tokenizer

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MIB = 1 << 20

# Runs a conversion and prints by how much the process's own memory grew beyond what it had after the imports.
# RssAnon leaves out the pages of mapped files, which are the kernel's cache and not the process's memory.
MEASURE = """
import sys, threading, time
from pathlib import Path
import numpy, safetensors, psutil
from dreamboot_trainer.convert import convert
if any(name.endswith(".ckpt") for name in sys.argv[1:3]):
    import torch, dreamboot_trainer.convert.ckpt, dreamboot_trainer.convert.pickled
def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
def watch():
    global peak
    while not done:
        peak = max(peak, own())
        time.sleep(0.001)
done, peak = False, 0
watcher = threading.Thread(target=watch)
watcher.start()
before = own()
options = {"dtype": sys.argv[3]}
if not Path(sys.argv[1]).is_dir():
    options["tokenizer_dir"] = Path(sys.argv[4])
convert(Path(sys.argv[1]), Path(sys.argv[2]), **options)
done = True
watcher.join()
print((peak - before) * 1024)
"""


def run(code, *args, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120, **options)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A 213 MB model in float32 whose largest tensor, the token embedding, has 50 MB: folder and checkpoint."""
    import numpy as np
    from safetensors.numpy import save_file

    root = tmp_path_factory.mktemp("large")
    family, configs = FAMILIES["sd1"], infer.published("sd1")
    configs["unet"] |= {"block_out_channels": [96, 192, 320, 320], "layers_per_block": 1, "cross_attention_dim": 256}
    configs["vae"] |= {"block_out_channels": [32, 64, 64, 64]}
    configs["text_encoder"] |= {"hidden_size": 256, "intermediate_size": 512}
    (root / "folder" / "scheduler").mkdir(parents=True)
    (root / "folder" / "scheduler" / "scheduler_config.json").write_text(json.dumps(configs["scheduler"]))
    random = np.random.default_rng(0)
    for part in family.components:
        folder = root / "folder" / part.folder
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(configs[part.folder]))
        pairs = part.pairs(configs[part.folder])
        content = {n: random.standard_normal(p.shape, dtype="f4") for p in pairs for n in p.diffusers}
        save_file(content, folder / f"{part.stem}.safetensors")
    tokenizer().save_pretrained(root / "tokenizer")
    to_original(root / "folder", root / "model.safetensors", dtype="keep")
    assert (root / "model.safetensors").stat().st_size > 200e6
    return root


LARGEST = 49408 * 256 * 4


@linux
@pytest.mark.parametrize("dtype", ["keep", "float16", "bfloat16"])
@pytest.mark.parametrize("source", ["folder", "model.safetensors"])
def test_memory_stays_far_below_one_tensor(large, tmp_path, source, dtype):
    """The promise is 1.3 times the largest tensor; pieces of 1 MiB need far less than one tensor."""
    out = tmp_path / ("out.safetensors" if source == "folder" else "out")
    grown = int(run(MEASURE, large / source, out, dtype, large / "tokenizer").stdout)
    assert out.exists()
    assert grown < 32 * MIB < 1.3 * LARGEST


@linux
@pytest.mark.parametrize("dtype", ["keep", "float16"])
def test_memory_of_a_ckpt_stays_below_its_largest_tensor(large, tmp_path, dtype):
    import torch
    from safetensors.torch import load_file

    torch.save({"state_dict": load_file(large / "model.safetensors")}, tmp_path / "model.ckpt")
    grown = int(run(MEASURE, tmp_path / "model.ckpt", tmp_path / "out", dtype, large / "tokenizer").stdout)
    assert grown < 1.3 * LARGEST


@linux
def test_memory_of_writing_a_ckpt_stays_below_its_largest_tensor(large, tmp_path):
    grown = int(run(MEASURE, large / "folder", tmp_path / "out.ckpt", "keep").stdout)
    assert (tmp_path / "out.ckpt").stat().st_size > 200e6
    assert grown < 1.3 * LARGEST


# Stops in the middle of writing and waits to be killed.
HANG = """
import sys, time
from pathlib import Path
from dreamboot_trainer.convert import convert
def stop(done, total):
    if done > total / 2:
        print("half", flush=True)
        time.sleep(60)
options = {} if Path(sys.argv[1]).is_dir() else {"tokenizer_dir": Path(sys.argv[3])}
convert(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True, progress=stop, **options)
"""


@pytest.mark.parametrize("source", ["folder", "model.safetensors"])
@pytest.mark.parametrize("older", [True, False])
def test_a_kill_in_the_middle_leaves_no_half_result(large, tmp_path, source, older):
    """The old result stays, or there is none; the next run clears up and succeeds."""
    from dreamboot_trainer.convert import convert

    out = tmp_path / ("out.safetensors" if source == "folder" else "out")
    options = {} if source == "folder" else {"tokenizer_dir": large / "tokenizer"}
    if older:
        convert(large / source, out, dtype="float16", **options)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", HANG, str(large / source), str(out), str(large / "tokenizer")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    left = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: content for path, content in left.items() if ".partial" not in str(path)} == before
    assert any(".partial" in str(path) for path in left)
    convert(large / source, out, overwrite=True, **options)
    assert not list(tmp_path.glob("*.partial"))
    assert out.exists()


@linux
@pytest.mark.parametrize("name", ["out.safetensors", "out.ckpt"])
def test_a_result_is_on_the_disk_before_it_has_its_name(models, tmp_path, disk_order, name):
    """A power cut after the new name must not leave it with an empty file."""
    to_original(models["sd2"], tmp_path / name)
    for each in (name, "out.yaml"):
        place = disk_order.index(("rename", each))
        assert ("fsync", f"{each}.partial") in disk_order[:place]


@linux
def test_every_file_of_a_folder_is_on_the_disk_before_it_has_its_name(models, tmp_path, disk_order):
    to_original(models["sd1"], tmp_path / "a.safetensors")
    disk_order.clear()
    from_original(tmp_path / "a.safetensors", tmp_path / "back", tokenizer_dir=models["sd1"] / "tokenizer")
    files = {path.name for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert disk_order.pop() == ("rename", "back")
    assert {name for what, name in disk_order if what == "fsync"} == files


def test_ctrl_c_leaves_nothing(large, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_original(large / "folder", tmp_path / "out.safetensors", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_safetensors_need_no_torch(models, tmp_path):
    code = (
        "import sys; from pathlib import Path; from dreamboot_trainer.convert import convert, detect;"
        "a, b, c, d = map(Path, sys.argv[1:]); convert(a, b); convert(b, c, tokenizer_dir=d); detect(b);"
        "print(sorted({'torch', 'transformers', 'diffusers'} & set(sys.modules)))"
    )
    tokens = models["sdxl"] / "tokenizer"
    assert run(code, models["sdxl"], tmp_path / "b.safetensors", tmp_path / "c", tokens).stdout == "[]\n"
