"""`train --in-image`: looks at engine and GPU first, then runs the training in a container that may do little."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.app.image import require_engine
from dreamboot.app.image_mounts import absolute_settings, mount, mounts_for
from dreamboot.app.run_config import folder_of, taken_out
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Machine, Problem, Report, Vendor

# PyTorch's data loaders hand batches over through shared memory; Docker gives 64 MB.
SHARED_MEMORY = "1g"
# As long as the trainer is given to save when a person presses Ctrl-C.
GRACE_SECONDS = 180
MOUNTED_HOME = "/data"


def train_in_image(
    context: Context, tag: str, *, config: Optional[Path], settings: Sequence[str], output: Optional[Path]
) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot train --in-image`. Results lie where they would without a container."""
    engine = require_engine(context)
    name = image_name(context, engine, tag)
    machine = context.machine()
    info = engine_info(context, engine)
    gpu = gpu_options(machine, info, name)
    settings, (told,) = taken_out(settings, "output_dir")
    folder = folder_of(context, config, output, told)
    mounts = mounts_for(context.host, config, settings, folder)
    container = f"dreamboot-train-{os.getpid()}"
    arguments = ["train", "--output", str(folder)]
    if config is not None:
        arguments += ["--config", str(config.absolute())]
    arguments += [word for setting in absolute_settings(context.host, settings) for word in ("--set", setting)]
    home = context.home / "container"
    command = [engine, *run_options(container, home, mounts, gpu), tag, *arguments]
    for warning in warnings(info):
        yield Event(kind=EventKind.LINE, stage="image", message=f"note: {warning}", data={"important": True})
    if context.dry_run:
        yield Report(command="train", data={"schema": 1, "command": command}, messages=(" ".join(command),))
        return
    for place in (home, folder):
        context.host.make_dir(place)
    yield Event(kind=EventKind.STARTED, stage="image", message=f"training in {tag}")
    yield from _follow(context, engine, container, command)
    data = {"schema": 1, "run": str(folder), "image": tag}
    yield Report(command="train", data=data, messages=(str(folder),))


def _follow(context: Context, engine: str, container: str, command: Sequence[str]) -> Iterator[Event]:
    """The container's lines. When we are stopped, the container is, too, and given time to save."""
    lines: List[str] = []
    try:
        for line in context.host.stream(command, env=context.host.environ):
            lines.append(line)
            yield Event(kind=EventKind.LINE, stage="image", message=line, data={"important": True})
    except ProgramFailed as failed:
        if failed.returncode == int(ExitCode.INTERRUPTED):
            raise KeyboardInterrupt from failed
        raise DreambootError(_failed(lines, failed.returncode)) from failed
    except (KeyboardInterrupt, GeneratorExit):
        stop = [engine, "stop", "--time", str(GRACE_SECONDS), container]
        context.host.run(stop, timeout=GRACE_SECONDS + 20)
        raise


def _failed(lines: Sequence[str], code: int) -> Problem:
    """What the engine or the program inside said, in its own words where it is one of ours."""
    told: Dict[str, str] = {}
    key = ""
    for line in lines:
        name, colon, rest = line.strip().partition(":")
        if colon and name in ("Problem", "Refused", "Why", "Next"):
            key, told[name] = name, rest.strip()
        elif key == "Next" and line.startswith(" " * 9):  # advice on several flags has a line for each
            told[key] += f"\n{line.strip()}"
        else:
            key = ""
    what = told.get("Problem") or told.get("Refused")
    if what:
        return Problem(id="in-image", what=what, cause=told.get("Why", ""), hint=told.get("Next", ""))
    from dreamboot.doctor.symptoms import explain

    causes = explain("\n".join(lines))
    if causes:
        return causes[0].problem
    return Problem(
        id="container-failed",
        what="The container ended without saying why.",
        cause=f"Code {code}. Its last words: " + " / ".join(lines[-4:])[-500:],
        hint="dreamboot doctor",
    )


def image_name(context: Context, engine: str, tag: str) -> str:
    """For which machine it was built: "cpu", "cu130". Raises `DreambootError` when it is not here, or not ours."""
    answer = context.host.run([engine, "image", "inspect", tag, "--format", "{{json .Config.Labels}}"], timeout=20)
    if not answer.ok:
        raise DreambootError(
            Problem(
                id="image-missing",
                what=f"The image {tag} is not on this machine.",
                cause=answer.stderr.strip()[-300:],
                hint=f"docker pull {tag}   (or build it: dreamboot build --image)",
            )
        )
    try:
        labels = json.loads(answer.stdout) or {}
    except ValueError:
        labels = {}
    name = str(labels.get("dreamboot.machine", ""))
    if not name:
        raise DreambootError(
            Problem(
                id="image-foreign",
                what=f"{tag} is not an image of dreamboot.",
                cause="It has no label dreamboot.machine.",
                hint="dreamboot build --image   (it makes one), then: dreamboot train --in-image dreamboot:NAME",
            )
        )
    return name


def engine_info(context: Context, engine: str) -> Mapping[str, Any]:
    """What the engine tells of itself; empty when it tells nothing."""
    try:
        told = json.loads(context.host.run([engine, "info", "--format", "{{json .}}"], timeout=20).stdout)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def gpu_options(machine: Machine, info: Mapping[str, Any], name: str) -> Tuple[str, ...]:
    """The options that hand the GPU in; pure. Raises `DreambootError` before the engine would fail on its own."""
    if name == "rocm":
        return ("--device", "/dev/kfd", "--device", "/dev/dri", "--group-add", "video", "--security-opt",
                "seccomp=unconfined")  # fmt: skip
    if not name.startswith("cu"):
        return ()
    if not any(gpu.vendor is Vendor.NVIDIA for gpu in machine.gpus):
        raise DreambootError(
            Problem(
                id="image-no-gpu",
                what=f"The image for {name} needs an NVIDIA GPU, and this machine shows none.",
                cause="; ".join(fault.cause for fault in machine.faults) or "No GPU was detected.",
                hint="dreamboot doctor   (why not), or the image for the CPU: dreamboot build --image cpu",
            ),
            exit_code=ExitCode.REFUSED,
        )
    ways = {way for engine in machine.engines for way in engine.gpu_access}
    devices = tuple(device for engine in machine.engines for device in engine.cdi_devices)
    if "Docker Desktop" in str(info.get("OperatingSystem", "")) or "toolkit" in ways:
        return ("--gpus", "all")
    if "nvidia.com/gpu=all" in devices:
        return ("--device", "nvidia.com/gpu=all")
    if "runtime" in ways:
        return ("--runtime", "nvidia")
    raise DreambootError(
        Problem(
            id="container-gpu",
            what="The container engine can't give containers the GPU.",
            cause="Neither NVIDIA's container toolkit, nor its runtime, nor a CDI specification was found.",
            hint="sudo apt-get install -y nvidia-container-toolkit && sudo nvidia-ctk runtime configure "
            "--runtime=docker && sudo systemctl restart docker",
        )
    )


def warnings(info: Mapping[str, Any]) -> Tuple[str, ...]:
    """What speaks against this engine without forbidding it; pure."""
    found = []
    options = " ".join(map(str, info.get("SecurityOptions") or ()))
    if str(info.get("CgroupVersion", "2")) == "1" and not info.get("MemoryLimit", True):
        found.append("control groups set no memory limit here: a training may take all memory of this machine")
    if "rootless" in options:
        found.append("the engine runs rootless: results belong to you, whichever user the container names")
    total = info.get("MemTotal")
    if isinstance(total, int) and 0 < total < 8 << 30 and "Docker Desktop" in str(info.get("OperatingSystem", "")):
        found.append(f"Docker Desktop has {total / (1 << 30):.0f} GiB of memory: raise it in its settings")
    return tuple(found)


def run_options(container: str, home: Path, mounts: Sequence[Tuple[str, bool]], gpu: Sequence[str]) -> List[str]:
    """`run` and its options: nothing that a training does not need. The container writes as this user."""
    user = f"{os.getuid()}:{os.getgid()}" if hasattr(os, "getuid") else "1000:0"
    volumes = [(str(home), MOUNTED_HOME, True), *((path, path, writable) for path, writable in mounts)]
    words = [
        "run", "--rm", "--name", container, "--user", user, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",  # noqa: S108
        "--security-opt", "no-new-privileges", "--network", "none", "--shm-size", SHARED_MEMORY,
        "--stop-timeout", str(GRACE_SECONDS), *gpu,
    ]  # fmt: skip
    for source, place, writable in volumes:
        words += ["--mount", mount(Path(source), place, writable=writable)]
    return words
