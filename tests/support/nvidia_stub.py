"""A GPU that is not there, for containers: the stub driver library, handed in by a CDI specification."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("stub_nvml.c")
INSIDE = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"


def cdi_specification(folder: Path) -> bool:
    """Write FOLDER/cdi/nvidia.json: device nvidia.com/gpu=all. False where no C compiler is there to build the stub."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return False
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
    library.chmod(0o755)
    edits = {
        "env": ["STUB_NVML=one"],
        "deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/dev/null"}],
        "mounts": [{"hostPath": str(library), "containerPath": INSIDE, "options": ["ro", "bind"]}],
    }
    told = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "all", "containerEdits": edits}]}
    (folder / "cdi").mkdir(exist_ok=True)
    (folder / "cdi" / "nvidia.json").write_text(json.dumps(told))
    return True


def no_op_hook(folder: Path) -> None:
    """What NVIDIA's toolkit puts on dockerd's PATH, and `--gpus` asks for; this one lets every container pass."""
    hook = folder / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
