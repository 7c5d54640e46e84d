"""Last step of the image's build: removes what no container needs, compiles what is used, makes it all repeatable.

    finish.py ROOT EPOCH        ROOT holds envs/ and tool/, as dreamboot made them; EPOCH: seconds for every file's date

What is removed is removed from the distributions' RECORD files, too: the doctor's check of every file stays true.
Standard library only; prints how many bytes went, by reason.
"""

from __future__ import annotations

import base64
import compileall
import csv
import hashlib
import importlib.util
import os
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

# These carry the names of their inner functions, a fifth to three fifths of their size, which only a debugger reads.
STRIPPED = re.compile(
    r"torch/lib/libtorch_\w+\.so|triton/_C/libtriton\.so|nvidia/nccl/lib/libnccl\.so\.\d+"
    r"|(hf_xet|tokenizers|safetensors|PIL|yaml|regex)/[\w.-]+\.so"
)
# The text encoders of every family, encoders for the fidelity measures, and what diffusers and peft import.
KEPT_MODELS = (
    "auto", "bart", "bert", "blip", "blip_2", "bloom", "clip", "dinov2", "dinov2_with_registers", "encoder_decoder",
    "gpt2", "siglip", "t5", "vit",
)  # fmt: skip
# Reason → patterns of paths below site-packages. Only what was looked at by name: a `tests` folder of one package is
# what another one imports (torch.testing, numpy.testing).
REMOVED = {
    "static libraries": [r".*\.(a|lib)$"],
    "headers and build files: there is no compiler here": [
        r"torch/include/.*", r"torch/share/cmake/.*", r"nvidia/.*/include/.*", r"triton/backends/.*/include/.*",
        r"numpy/_core/include/.*", r"numpy/_core/lib/.*", r".*\.(pyx|pxd|h|hpp|cuh)$",
    ],
    "tests": [
        r"(numpy|pandas|scipy|networkx|sympy|mpmath|regex|psutil|PIL|yaml|cffi|peft|accelerate/test_utils/scripts)/(.*/)?tests?/.*",
        r"torch/test/.*", r"torch/bin/(test_|.*_test|.*StoreTest).*", r"functorch/.*test.*",
        r"torch/lib/lib(torchbind_test|jitbackend_test|backend_with_compiler|aoti_custom_ops)\.so",
        r"accelerate/test_utils/scripts/.*",
    ],
    "build tools of PyTorch": [r"torch/bin/protoc.*", r"torchgen/packaged/.*"],
    # Nothing that is installed is linked with these or loads them by name (readelf, torch 2.14.1+cu130).
    "CUDA libraries that nothing here loads": [
        r"nvidia/.*/lib/lib(nvrtc|nvrtc-builtins)\.alt\.so.*", r"nvidia/.*/lib/lib(cusolverMg|nvblas|cufftw)\.so.*",
        r"nvidia/.*/lib/libnvshmem_device\.bc",
    ],
    "profilers of CUDA kernels": [
        r"nvidia/.*/lib/lib(nvperf_host|nvperf_target|pcsamplingutil|checkpoint)\.so.*", r"triton/_C/libproton\.so",
        r"triton/instrumentation/.*\.so", r"triton/backends/nvidia/lib/cupti[^/]*/.*",
        r"triton/backends/nvidia/bin/(cuobjdump|nvdisasm)$",
    ],
    # Some 530 folders of language models, which are read at each start only to be listed.
    "models of transformers that nothing here loads": [
        r"transformers/models/(?!({})/)[^/]+/.*".format("|".join(KEPT_MODELS)),
    ],
    "type stubs": [r"(?!torch/_C/).*\.pyi$"],
    "uv and pip: nothing is installed into an image": [r"uv/.*", r"(\.\./)*bin/uvx?$", r"pip/.*"],
}  # fmt: skip


NAMES = "names of inner functions"


def site_packages(root: Path) -> list[Path]:
    """Every site-packages below ROOT."""
    return sorted(path for path in root.glob("**/site-packages") if path.is_dir())


def bitsandbytes_extra(folder: Path) -> list[str]:
    """Names of bitsandbytes' libraries for other CUDA or ROCm versions than this torch's (one is used, ever)."""
    text = folder / "torch" / "version.py"
    if not text.exists():
        return []
    found = text.read_text(encoding="utf-8")
    cuda = re.search(r"^cuda[^=\n]*= '(\d+)\.(\d+)'", found, re.M)
    hip = re.search(r"^hip[^=\n]*= '(\d+)\.(\d+)", found, re.M)
    names = [path.name for path in (folder / "bitsandbytes").glob("libbitsandbytes_*.so")]
    kept = {"libbitsandbytes_cpu.so"}
    if cuda:
        kept |= _nearest(names, "cuda", int(cuda.group(1)), int(cuda.group(2)))
    if hip:
        kept |= _nearest(names, "rocm", int(hip.group(1)), int(hip.group(2)))
    return sorted(set(names) - kept)


def _nearest(names: list[str], kind: str, major: int, minor: int) -> set[str]:
    """The library of this version; all of its major version where there is none (it then takes another one)."""
    exact = f"libbitsandbytes_{kind}{major}{minor}.so"
    return {exact} if exact in names else {name for name in names if f"_{kind}{major}" in name}


def prune(folder: Path) -> dict[str, int]:
    """Remove; {reason: bytes}."""
    gone: dict[str, int] = {}
    patterns = {reason: re.compile("|".join(f"(?:{one})" for one in parts)) for reason, parts in REMOVED.items()}
    extra = {f"bitsandbytes/{name}" for name in bitsandbytes_extra(folder)}
    for info in sorted(folder.glob("*.dist-info")):
        record = info / "RECORD"
        if not record.exists():
            continue
        with record.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        kept = []
        for row in rows:
            if STRIPPED.fullmatch(row[0]):
                before = (folder / row[0]).stat().st_size
                row = strip(folder, row[0])
                gone[NAMES] = gone.get(NAMES, 0) + before - int(row[2])
            reason = next((reason for reason, pattern in patterns.items() if pattern.fullmatch(row[0])), "")
            reason = "libraries of bitsandbytes for other versions of CUDA" if row[0] in extra else reason
            path = folder / row[0]
            if reason and path.is_file() and not row[0].startswith(info.name):
                gone[reason] = gone.get(reason, 0) + path.stat().st_size
                path.unlink()
            elif not row[0].endswith(".pyc"):
                kept.append(row)
        with record.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(kept)
    for name in ("uv", "pip"):
        for info in folder.glob(f"{name}-*.dist-info"):
            shutil.rmtree(info)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    return gone


def strip(folder: Path, name: str) -> list[str]:
    """A library without what only a debugger reads; returns its new row of RECORD."""
    path = folder / name
    subprocess.run(["strip", "--strip-unneeded", str(path)], check=True)
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(content))]


# Bytecode that is never compared with its source's date: the layers can't change under it.
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


def compile_all(folder: Path) -> None:
    """Every module: of dreamboot itself, whose commands shall start at once."""
    compileall.compile_dir(str(folder), quiet=2, workers=2, invalidation_mode=UNCHECKED)


def compile_used(folder: Path) -> None:
    """The modules that the build's own check imported and trained with: a sixth of what is installed.

    Bytecode of all others would be as large as all their sources, and be read by nobody; one that is imported after
    all is compiled in memory.
    """
    for path in sorted(folder.rglob("__pycache__/*.pyc")):
        source = Path(importlib.util.source_from_cache(str(path)))
        if source.exists():
            py_compile.compile(str(source), cfile=str(path), doraise=True, invalidation_mode=UNCHECKED)
        else:
            path.unlink()


def settle(root: Path, epoch: int) -> None:
    """Readable by any uid, one date for all: the same build gives the same layer."""
    for base, folders, files in os.walk(root):
        if Path(base) == root:
            folders[:] = [name for name in folders if name != "cache"]
        for path in (Path(base, name) for name in (*folders, *files)):
            if not path.is_symlink():
                mode = path.stat().st_mode & 0o7777
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 or path.is_dir() else 0))
            os.utime(path, (epoch, epoch), follow_symlinks=False)


def imports_still(root: Path) -> None:
    """What was verified before the pruning is verified again; raises when something is missing now."""
    generation = root / "envs" / "default" / "generations" / "1"
    names = [
        "torch",
        "transformers",
        "diffusers",
        "accelerate",
        "bitsandbytes",
        "peft",
        "safetensors",
        "PIL",
        "PIL._imagingft",
    ]
    names += ["yaml._yaml", "regex", "hf_xet"]
    names += [f"transformers.models.{name}.modeling_{name}" for name in ("clip", "t5", "vit")]
    names += [f"diffusers.models.transformers.transformer_{name}" for name in ("sd3", "flux")]
    child = root / "app" / "installer" / "dreamboot" / "building" / "verify_child.py"
    command = [str(generation / "venv" / "bin" / "python"), "-I", str(child), str(generation / "accelerate.yaml")]
    said = subprocess.run([*command, *names], stdout=subprocess.PIPE, text=True, check=True).stdout
    if '"error"' in said:
        raise SystemExit(f"after pruning: {said}")


def main() -> None:
    """Prune, verify, compile, settle."""
    root, epoch = Path(sys.argv[1]), int(sys.argv[2])
    for folder in site_packages(root):
        for reason, count in sorted(prune(folder).items(), key=lambda item: -item[1]):
            where = folder.relative_to(root).parts[0]
            sys.stdout.write(f"removed {count / 1e6:8.1f} MB  {reason}  ({where})\n")
    imports_still(root)
    compile_used(root / "envs")
    for name in ("tool", "app"):
        compile_all(root / name)
    generation = root / "envs" / "default" / "generations" / "1"
    for name in ("uv-cache", "trial"):
        shutil.rmtree(generation / name, ignore_errors=True)
    settle(root, epoch)


main()
